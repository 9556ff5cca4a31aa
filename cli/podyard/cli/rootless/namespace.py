"""Namespaces that a holder keeps, as `podyard up`, `down` and `shell` see them.

A data directory's have names: "cluster" for those that a rootless cluster is in; with a LAN also "lan",
where its bridge is, and those of the nodes.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from podyard.process.files import write_file
from podyard.process.main import UserError

CLUSTER = "cluster"
END_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Namespace:
    """Somewhere to run commands: what the holder `pid` keeps."""

    pid: int

    def wrap(self, command: list[str]) -> list[str]:
        """The command line that runs `command` inside."""
        return [sys.executable, "-m", "podyard.cli.rootless.enter", str(self.pid), *command]


def needed(*, lan: bool) -> bool:
    """Whether this user must have them: an ordinary one who may not bind port 53, or who wants a LAN."""
    if os.geteuid() == 0 or lan:
        return os.geteuid() != 0
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    except (OSError, ValueError):
        first = 1024
    return first > 53


def find(data_dir: Path, name: str = CLUSTER) -> Namespace | None:
    """Those of that name that an earlier `up` of this directory made, if they are still held."""
    try:
        recorded = json.loads(_file(data_dir, name).read_text())
        alive = _start_time(recorded["pid"]) == recorded["started"]
        os.stat(f"/proc/{recorded['pid']}/ns/net")  # which one that nobody has waited for has no more
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
    return Namespace(recorded["pid"]) if alive else None


def any_held(data_dir: Path) -> bool:
    """Whether an earlier `up` of this directory has left any."""
    return any(find(data_dir, name) for name in _recorded(data_dir))


def make(data_dir: Path) -> Namespace:
    """New ones for a whole cluster. Raises UserError when the kernel refuses."""
    try:
        return _make(data_dir, [CLUSTER], None)[CLUSTER]
    except Refused as refused:
        raise UserError(
            "ports below 1024 need root, and the kernel refuses an ordinary user's namespaces "
            f"({refused}): run as root, or have root allow one of them "
            "(sysctl -w net.ipv4.ip_unprivileged_port_start=0, or user namespaces)"
        ) from None


def networks(data_dir: Path, names: Iterable[str], within: Namespace | None) -> dict[str, Namespace]:
    """Network namespaces, those that are missing made, below the cluster's own if it has one.

    Raises UserError when the kernel refuses.
    """
    found = {name: find(data_dir, name) for name in names}
    try:
        made = _make(data_dir, [name for name, held in found.items() if held is None], within)
        return {name: held or made[name] for name, held in found.items()}
    except Refused as refused:
        raise UserError(
            f"the netns network needs network namespaces, which the kernel refuses ({refused}): "
            "run as root with CAP_SYS_ADMIN and CAP_NET_ADMIN, or use --network loopback"
        ) from None


class Refused(Exception):
    """The kernel does not let us; the text says why."""


def _make(data_dir: Path, names: list[str], within: Namespace | None) -> dict[str, Namespace]:
    """All of them, or none. Raises Refused."""
    holders: dict[str, subprocess.Popen[str]] = {}
    try:
        for name in names:  # they start together
            holders[name] = _start_holder(data_dir, name, within)
        for holder in holders.values():
            _until_ready(holder)
        return {name: _record(data_dir, name, holder.pid) for name, holder in holders.items()}
    except BaseException as error:
        # None may be left to speak on the user's terminal, or to keep what nobody asks for any more.
        for name, holder in holders.items():
            holder.kill()
            holder.wait()
            _file(data_dir, name).unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise Refused(f"{error.filename or 'new process'}: {error.strerror}") from None
        raise
    finally:
        for holder in holders.values():
            assert holder.stdout is not None
            holder.stdout.close()


def _start_holder(data_dir: Path, name: str, within: Namespace | None) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "podyard.cli.rootless.holder", name, str(data_dir)]
    return subprocess.Popen(
        within.wrap(command) if within else command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def _until_ready(holder: subprocess.Popen[str]) -> None:
    """Wait until a holder has its namespaces. Raises Refused with the last thing that it said."""
    assert holder.stdout is not None
    if (said := holder.stdout.readline()) != "ready\n":
        last = (said + holder.stdout.read()).strip().rpartition("\n")[2]
        raise Refused(last or "no reason given")


def _record(data_dir: Path, name: str, pid: int) -> Namespace:
    """Put down who holds it, for `find`."""
    text = json.dumps({"pid": pid, "started": _start_time(pid)})
    write_file(_file(data_dir, name), text.encode(), 0o644)
    return Namespace(pid)


def release_all(data_dir: Path) -> None:
    """End all holders, the cluster's last. The namespaces go with the last process in them."""
    for name in sorted(_recorded(data_dir), key=lambda name: name == CLUSTER):
        _release(data_dir, name)


def _release(data_dir: Path, name: str) -> None:
    held = find(data_dir, name)
    if held is not None:
        descriptor = os.pidfd_open(held.pid)
        try:
            signal.pidfd_send_signal(descriptor, signal.SIGTERM)
            select.select([descriptor], [], [], END_SECONDS)
        except ProcessLookupError:
            pass
        finally:
            os.close(descriptor)
    with contextlib.suppress(OSError):  # on a disk that is read-only now it stays, and names nobody any more
        _file(data_dir, name).unlink()


def _recorded(data_dir: Path) -> list[str]:
    return [file.stem.removeprefix("namespace-") for file in data_dir.glob("namespace-*.json")]


def _file(data_dir: Path, name: str) -> Path:
    return data_dir / f"namespace-{name}.json"


def _start_time(pid: int) -> str:
    """What tells a process from a later one of the same pid: field 22 of proc_pid_stat(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
