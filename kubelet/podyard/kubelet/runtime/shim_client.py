"""The kubelet's side of a shim: start one or find one again, ask it, hear from it."""

from __future__ import annotations

import array
import asyncio
import itertools
import json
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from podyard.kubelet import shim
from podyard.kubelet.runtime import NotRunning, RuntimeFailure, StartError
from podyard.kubelet.shim.connection import MAX_MESSAGE_BYTES
from podyard.kubelet.shim.sandbox import SOCKET

Message = dict[str, Any]

SHIM = Path(shim.__file__).with_name("__main__.py")
HELLO_SECONDS = 20.0
_ERRORS: dict[str, type[RuntimeFailure]] = {"StartError": StartError, "NotRunning": NotRunning}


class ShimClient:
    """A connection to a shim. `heard` gets what it says unasked, `closed` is called once when it is gone."""

    def __init__(self, sock: socket.socket, process: subprocess.Popen[bytes] | None) -> None:
        sock.setblocking(False)
        self.heard: Callable[[Message], None] = lambda message: None
        self.closed: Callable[[], None] = lambda: None
        self.process = process
        self.pid = process.pid if process is not None else _peer(sock)
        self._socket = sock
        self._loop = asyncio.get_running_loop()
        self._numbers = itertools.count(1)
        self._waiting: dict[int, asyncio.Future[Any]] = {}
        self._hello: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(sock.fileno(), self._receive)

    async def ready(self) -> None:
        """Wait until it has said hello. Raises RuntimeFailure when it ends instead."""
        try:
            async with asyncio.timeout(HELLO_SECONDS):
                await self._hello
        except TimeoutError:
            raise RuntimeFailure(f"the pod's shim did not start within {HELLO_SECONDS:.0f} s") from None

    async def request(self, verb: str, fds: Sequence[int] = (), **fields: Any) -> Any:
        """Ask, with descriptors that the shim is to have, and wait for the answer."""
        _, answer = self.send(verb, fds, **fields)
        return await answer

    def send(self, verb: str, fds: Sequence[int] = (), **fields: Any) -> tuple[int, asyncio.Future[Any]]:
        """As `request`, but give the request's number and the answer to come."""
        if self._socket.fileno() < 0:
            raise RuntimeFailure("the pod's shim has ended")
        number = next(self._numbers)
        data = json.dumps({"id": number, "verb": verb, **fields}).encode()
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
        try:
            self._socket.sendmsg([data], rights)
        except OSError as error:
            raise RuntimeFailure(f"the pod's shim cannot be asked: {error.strerror}") from None
        answer: asyncio.Future[Any] = self._loop.create_future()
        self._waiting[number] = answer
        return number, answer

    def close(self) -> None:
        """Hang up; the shim lives on."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()
        gone = RuntimeFailure("the pod's shim has ended")
        for answer in (self._hello, *self._waiting.values()):
            if not answer.done():
                answer.set_exception(gone)
                answer.exception()  # whoever still waits gets it; nobody has to
        self._waiting.clear()

    def _receive(self) -> None:
        while True:
            try:
                data = self._socket.recv(MAX_MESSAGE_BYTES)
            except BlockingIOError:
                return
            except OSError:
                data = b""
            if not data:
                self.close()
                self.closed()
                return
            self._dispatch(json.loads(data))
            if self._socket.fileno() < 0:
                return

    def _dispatch(self, message: Message) -> None:
        if "hello" in message:
            if not self._hello.done():
                self._hello.set_result(None)
        elif "id" in message:
            answer = self._waiting.pop(message["id"], None)
            if answer is None or answer.done():
                return
            if "error" in message:
                answer.set_exception(_ERRORS.get(message["kind"], RuntimeFailure)(message["error"]))
            else:
                answer.set_result(message["result"])
        else:
            self.heard(message)


def _peer(sock: socket.socket) -> int:
    """The id of the process at the other end (unix(7), SO_PEERCRED)."""
    pid, _, _ = struct.unpack("3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(pid)


def launch(directory: Path, title: str) -> ShimClient:
    """Start a shim for the sandbox in `directory`, in a session of its own; `title` is for `ps`."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    python = os.path.realpath(sys.executable)
    with its, open(directory / "shim.log", "ab") as log:
        process = subprocess.Popen(
            [python, "-I", "-S", str(SHIM), str(directory), str(its.fileno()), title],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=directory,
            env={},
            pass_fds=[its.fileno()],
            start_new_session=True,
        )
    return ShimClient(ours, process)


def connect(directory: Path) -> ShimClient | None:
    """Find the shim that serves the sandbox in `directory`; None when there is none any more."""
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    sock.settimeout(HELLO_SECONDS)
    try:
        folder = os.open(directory, os.O_PATH | os.O_DIRECTORY)
        try:
            sock.connect(f"/proc/self/fd/{folder}/{SOCKET}")  # whose length is within sun_path's 108 bytes
        finally:
            os.close(folder)
    except OSError:
        sock.close()
        return None
    return ShimClient(sock, None)
