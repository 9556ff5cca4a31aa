"""`ps` as busybox prints it: PID, user, time, command of every process that /proc shows."""

from __future__ import annotations

import os
import pwd
import re
import sys

CONTROL = re.compile(r"[\0-\x1f\x7f]")
"""What would break the table: the NULs between the words, and line ends within them (`sh -c` has many)."""


def user_name(uid: int) -> str:
    """As busybox does: the name, or the number where there is none."""
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def line(pid: int) -> str:
    """One process. Raises OSError when it has ended."""
    with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
        before, _, after = file.read().rpartition(")")
    with open(f"/proc/{pid}/cmdline", "rb") as raw:
        command = CONTROL.sub(" ", raw.read().decode(errors="replace")).strip()
    fields = after.split()
    seconds = (int(fields[11]) + int(fields[12])) // os.sysconf("SC_CLK_TCK")
    shown = command or f"[{before.partition('(')[2]}]"
    user = user_name(os.stat(f"/proc/{pid}").st_uid)
    return f"{pid:>5} {user:<8} {seconds // 60:>3}:{seconds % 60:02d} {shown}"


def main() -> None:
    """Print them all."""
    print("  PID USER       TIME COMMAND")
    for pid in sorted(int(name) for name in os.listdir("/proc") if name.isdigit()):
        try:
            print(line(pid))
        except OSError:
            continue


if __name__ == "__main__":
    try:
        main()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
