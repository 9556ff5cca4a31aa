"""The namespaces of a rootless cluster, as `podyard up`, `down` and `shell` see them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from podyard.process.main import UserError


@dataclass(frozen=True, slots=True)
class Namespace:
    """Somewhere to run commands: what the holder `pid` keeps."""

    pid: int

    def wrap(self, command: list[str]) -> list[str]:
        """The command line that runs `command` inside."""
        return [sys.executable, "-m", "podyard.cli.rootless.enter", str(self.pid), *command]


def needed() -> bool:
    """Whether this user must have namespaces: an ordinary one who may not bind port 53."""
    if os.geteuid() == 0:
        return False
    try:
        first = int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    except (OSError, ValueError):
        first = 1024
    return first > 53


def find(data_dir: Path) -> Namespace | None:
    """The namespaces that an earlier `up` of this directory made, if they are still held."""
    try:
        recorded = json.loads(_file(data_dir).read_text())
        alive = _start_time(recorded["pid"]) == recorded["started"]
    except (OSError, ValueError, KeyError, TypeError, IndexError):
        return None
    return Namespace(recorded["pid"]) if alive else None


def make(data_dir: Path) -> Namespace:
    """New ones. Raises UserError when the kernel refuses."""
    command = [sys.executable, "-m", "podyard.cli.rootless.holder", str(data_dir)]
    holder = subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    assert holder.stdout is not None
    with holder.stdout as told:
        said = told.readline().strip()
    if said != "ready":
        holder.wait()
        raise UserError(
            "ports below 1024 need root, and the kernel refuses an ordinary user's namespaces "
            f"({said or 'no reason given'}): run as root, or have root allow one of them "
            "(sysctl -w net.ipv4.ip_unprivileged_port_start=0, or user namespaces)"
        )
    draft = _file(data_dir).with_suffix(".tmp")
    draft.write_text(json.dumps({"pid": holder.pid, "started": _start_time(holder.pid)}))
    os.replace(draft, _file(data_dir))
    return Namespace(holder.pid)


def release(data_dir: Path) -> None:
    """End the holder, if there is one. The namespaces go with the last process in them."""
    held = find(data_dir)
    if held is not None:
        descriptor = os.pidfd_open(held.pid)
        try:
            signal.pidfd_send_signal(descriptor, signal.SIGTERM)
        except ProcessLookupError:
            pass
        finally:
            os.close(descriptor)
    _file(data_dir).unlink(missing_ok=True)


def _file(data_dir: Path) -> Path:
    return data_dir / "namespace.json"


def _start_time(pid: int) -> str:
    """What tells a process from a later one of the same pid: field 22 of proc_pid_stat(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
