"""Enters the namespaces of another process and becomes a command there.

`python -m podyard.cli.rootless.enter PID COMMAND…`
"""

from __future__ import annotations

import os
import sys

from podyard.process.namespaces import CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWUSER, setns

_KINDS = (("user", CLONE_NEWUSER), ("net", CLONE_NEWNET), ("mnt", CLONE_NEWNS))


def enter(pid: int) -> None:
    """Enter the user, network and mount namespace of `pid`, as far as they are others than ours.

    Raises OSError when it is gone.
    """
    # All are opened first: after the mount namespace is entered, /proc may be another one.
    # Our own are left out: the kernel refuses to enter one's own user namespace.
    opened = [
        (os.open(f"/proc/{pid}/ns/{name}", os.O_RDONLY), kind)
        for name, kind in _KINDS
        if not os.path.samefile(f"/proc/{pid}/ns/{name}", f"/proc/self/ns/{name}")
    ]
    for descriptor, kind in opened:
        setns(descriptor, kind)
        os.close(descriptor)


if __name__ == "__main__":
    try:
        enter(int(sys.argv[1]))
    except OSError as error:
        sys.exit(f"podyard: cannot enter the cluster's namespaces: {error.strerror}")
    os.execvp(sys.argv[2], sys.argv[2:])
