"""Run a command, as root, where the kernel gives no namespaces, as in an unprivileged container.

It is chrooted into a bind mount of the root directory, where no user namespace can be made, without
CAP_SYS_ADMIN for the others.
"""

from __future__ import annotations

import os
import sys
import tempfile

from podyard.kubelet.shim import linux


def command(words: list[str]) -> list[str]:
    """The command line that runs `words` so."""
    return [sys.executable, "-m", "tests.support.no_namespaces", *words]


def main(words: list[str]) -> int:
    """Run the command there; its exit status."""
    with tempfile.TemporaryDirectory() as root:
        child = os.fork()
        if child == 0:
            _become(words, root)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _become(words: list[str], root: str) -> None:
    linux.unshare(linux.CLONE_NEWNS)
    linux.mount("", "/", flags=linux.MS_REC | linux.MS_PRIVATE)
    linux.bind("/", root)
    here = os.getcwd()
    os.chroot(root)
    os.chdir(here)
    os.execvp("setpriv", ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-all", *words])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
