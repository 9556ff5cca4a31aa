"""How `podyard status` and `down` find a running `up`: a lock, and a socket that answers with JSON.

Only the same user and root get an answer.
"""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import json
import os
import socket
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TextIO

from podyard.process.files import naming
from podyard.process.main import UserError


class Lock:
    """Held by what runs a data directory for as long as it lives, with its pid inside.

    `what` is in the message for who comes second.
    """

    def __init__(self, data_dir: Path, what: str = "this cluster") -> None:
        self._what = what
        self._path = _lock_file(data_dir)
        self._file = self._path.open("a+")

    def acquire(self) -> None:
        """Take it, or raise a UserError that names the process that has it."""
        while not _take(self._file, fcntl.LOCK_EX):
            if owner := _owner(self._file):
                raise UserError(f"{self._what} is running already (pid {owner}); see `podyard status`")
        with naming(self._path):
            self._file.truncate(0)
            self._file.write(str(os.getpid()))
            self._file.flush()

    def close(self) -> None:
        """Let go of it."""
        self._file.close()


def running_pid(data_dir: Path) -> int:
    """The pid of the `up` that runs this data directory, 0 when none does."""
    try:
        with _lock_file(data_dir).open() as file:  # to be read alone: a disk may have become read-only
            return _owner(file)
    except FileNotFoundError:
        return 0


def _lock_file(data_dir: Path) -> Path:
    return data_dir / "up.lock"


def _owner(file: TextIO) -> int:
    """The pid of the one that has the lock, 0 when nobody has."""
    while not _take(file, fcntl.LOCK_SH):
        file.seek(0)
        if text := file.read().strip():
            return int(text)
        time.sleep(0.01)  # it has only just taken it
    fcntl.flock(file, fcntl.LOCK_UN)
    return 0


def _take(file: TextIO, kind: int) -> bool:
    """Whether it could be had: who only looks for its owner has it for a moment, together with others."""
    try:
        fcntl.flock(file, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def socket_path(data_dir: Path, name: str) -> Path:
    """Where the socket `name` of a data directory is: in it, unless its path is too long for unix(7)."""
    inside = data_dir / f"{name}.sock"
    if len(os.fsencode(inside)) < 100:
        return inside
    digest = hashlib.sha256(os.fsencode(data_dir.resolve())).hexdigest()[:16]
    return Path(tempfile.gettempdir()) / f"podyard-{os.getuid()}-{digest}-{name}.sock"


def notify_path(data_dir: Path) -> Path:
    """Where the processes of a data directory report to who runs them; no other process has it for this."""
    return socket_path(data_dir, "notify")


async def serve(data_dir: Path, snapshot: Callable[[], Any]) -> asyncio.Server:
    """Answer every connection with `snapshot()` as JSON."""

    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            if _peer_uid(writer) in (0, os.getuid()):
                writer.write(json.dumps(snapshot()).encode())
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()

    path = socket_path(data_dir, "control")
    path.unlink(missing_ok=True)  # of an `up` that was killed: the lock says that none runs
    return await asyncio.start_unix_server(answer, path)


def _peer_uid(writer: asyncio.StreamWriter) -> int:
    peer = writer.get_extra_info("socket")
    credentials = peer.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    return int(struct.unpack("3i", credentials)[1])


def ask(data_dir: Path) -> Any:
    """The snapshot of the running `up`, None when none runs."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(5)
        try:
            sock.connect(str(socket_path(data_dir, "control")))
            parts = []
            while part := sock.recv(65536):
                parts.append(part)
        except (ConnectionRefusedError, FileNotFoundError):
            return None
        except OSError as error:
            raise UserError(f"the running `podyard up` does not answer: {error}") from None
    if not parts:
        raise UserError("the running `podyard up` belongs to another user")
    return json.loads(b"".join(parts))
