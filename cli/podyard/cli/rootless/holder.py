"""Keeps namespaces: makes them, then waits for its end.

`python -m podyard.cli.rootless.holder cluster DATA_DIR` makes those of a rootless cluster, `… lan` and
`… node1` a network namespace alone. It prints "ready" when they are there, or one line that says why the
kernel refuses. user_namespaces(7) has the rules for the maps.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import struct
import sys
from pathlib import Path

from podyard.process.namespaces import (
    CLONE_NEWNET,
    CLONE_NEWNS,
    CLONE_NEWUSER,
    MS_PRIVATE,
    MS_REC,
    mount,
    unshare,
)

_SIOCSIFFLAGS = 0x8914
_IFF_UP = 0x1


def main() -> int:
    """Make the namespaces and hold them until a signal comes."""
    try:
        if sys.argv[1] == "cluster":
            _make_cluster()
        else:
            unshare(CLONE_NEWNET)
        _bring_up_loopback()
    except OSError as error:
        print(f"{error.filename or 'namespaces'}: {error.strerror}", flush=True)
        return 1
    print("ready", flush=True)
    null = os.open(os.devnull, os.O_WRONLY)
    for descriptor in (1, 2):  # it outlives whoever reads them
        os.dup2(null, descriptor)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    return 0


def _make_cluster() -> None:
    user, group = os.geteuid(), os.getegid()
    unshare(CLONE_NEWUSER)
    Path("/proc/self/setgroups").write_text("deny")  # the kernel wants this before a gid map
    Path("/proc/self/uid_map").write_text(f"0 {user} 1")
    Path("/proc/self/gid_map").write_text(f"0 {group} 1")
    unshare(CLONE_NEWNET | CLONE_NEWNS)
    mount("none", "/", MS_REC | MS_PRIVATE)
    with contextlib.suppress(OSError):  # /proc/sys is read-only in some containers
        # As in Kubernetes' pods: a container has low ports whoever its user is.
        Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").write_text("0")


def _bring_up_loopback() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        fcntl.ioctl(sock, _SIOCSIFFLAGS, struct.pack("16sh", b"lo", _IFF_UP) + b"\0" * 22)


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    sys.exit(main())
