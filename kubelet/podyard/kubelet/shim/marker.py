"""How the processes of a container are told from all others, whatever they do.

Session, process group and parent can be left by any program that daemonises, and a variable in the
environment would show up in `printenv`. Resource limits are inherited for good, and Linux has one
that has meant nothing since 2.4: RLIMIT_LOCKS. A container's limit is a number made of its id; a
process belongs to the container when it has that limit. Cgroups would do the same, but need root.
"""

from __future__ import annotations

import os
import resource
import signal

RLIMIT_LOCKS = 10


def marker_of(container_id: str) -> int:
    """The number that marks the container's processes (from 60 bits of its id, which is hexadecimal)."""
    return int(container_id[:15], 16) | 1 << 60


def mark_this_process(marker: int) -> None:
    """Mark the caller and all its future descendants."""
    try:
        resource.setrlimit(RLIMIT_LOCKS, (marker, marker))
    except ValueError:
        pass  # an ordinary user's process inside another pod: its mark stays; the process group must do


def processes(marker: int) -> list[int]:
    """The process ids that carry the mark, as far as this user may know; not the caller."""
    found = []
    for entry in os.listdir("/proc"):
        if not entry.isdigit():
            continue
        try:
            limit = resource.prlimit(int(entry), RLIMIT_LOCKS)[1]
        except PermissionError:
            if os.geteuid():
                continue  # somebody else's
            limit = _limit_in_proc(entry)  # we are root without SYS_RESOURCE, as in many containers
        except (OSError, ValueError):
            continue  # gone meanwhile
        if limit == marker:
            found.append(int(entry))
    return found


def _limit_in_proc(pid: str) -> int:
    """The same limit, from /proc/PID/limits, which is for everybody to read; -1 when there is none."""
    try:
        with open(f"/proc/{pid}/limits", encoding="ascii") as file:
            line = next(line for line in file if line.startswith("Max file locks"))
        return int(line.split()[4])
    except (OSError, StopIteration, ValueError):
        return -1


def kill(marker: int, number: int = signal.SIGKILL) -> int:
    """Signal all processes that carry the mark, and return how many there were."""
    found = processes(marker)
    for pid in found:
        try:
            os.kill(pid, number)
        except (ProcessLookupError, PermissionError):
            pass
    return len(found)
