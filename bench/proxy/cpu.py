"""What processes use: CPU time and memory, from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

PROXY_CORE = "0"
LOAD_CORE = "1"

_TICKS = os.sysconf("SC_CLK_TCK")


def pinned(core: str, command: Iterable[str]) -> list[str]:
    """The command, kept on one core (or several, "0,1")."""
    return ["taskset", "-c", core, *command]


def cpu_seconds(pids: Iterable[int]) -> float:
    """User and system time so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / _TICKS


def private_kib(pids: Iterable[int]) -> float:
    """Memory that is the processes' own (private dirty and clean pages), in KiB."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Private_"):
                total += int(line.split()[1])
    return float(total)
