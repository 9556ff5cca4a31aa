"""Run a command as an ordinary user: `python -m tests.support.ordinary_user COMMAND …`, as root.

The interpreter and this repository may lie where nobody else may go (a root's home directory): in
a mount namespace of the command's own the way to them is opened.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from podyard.kubelet.shim import linux

UID = GID = 65534
REPOSITORY = Path(__file__).resolve().parents[2]


def command(words: list[str]) -> list[str]:
    """The command line that runs `words` so."""
    return [sys.executable, "-m", "tests.support.ordinary_user", *words]


def main(words: list[str]) -> None:
    """Become the user and the command."""
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount("", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    for path in (Path(sys.base_prefix), REPOSITORY):
        _open_the_way_to(path)
    _mount_what_is_closed(Path("/mnt"))
    os.chdir(REPOSITORY)
    os.setgroups([])
    os.setresgid(GID, GID, GID)
    os.setresuid(UID, UID, UID)
    os.execvp(words[0], words)


def _open_the_way_to(path: Path) -> None:
    closed = next((parent for parent in reversed(path.parents) if not parent.stat().st_mode & 0o001), None)
    if closed is None:
        return
    here = os.open(path, os.O_PATH)
    linux.mount("tmpfs", str(closed), "tmpfs", options="mode=755")
    path.mkdir(parents=True)
    linux.bind(f"/proc/self/fd/{here}", str(path))
    os.close(here)


def _mount_what_is_closed(path: Path) -> None:
    """A mount below a directory that is root's alone, such as docker's containers have."""
    linux.mount("tmpfs", str(path), "tmpfs", options="mode=700")
    (path / "inside").mkdir()
    linux.mount("tmpfs", str(path / "inside"), "tmpfs")


if __name__ == "__main__":
    main(sys.argv[1:])
