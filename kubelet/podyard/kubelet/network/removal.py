"""Takes down a node's pod network, when no kubelet runs any more."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

MARKER = "network-namespace"


def mark(root: Path) -> None:
    """Remember, for the node whose state is in `root`, in which network namespace it is made."""
    (root / MARKER).write_text(_here())


def remove(root: Path) -> None:
    """Take it down if it was made here. One made in another namespace goes with that. Raises OSError."""
    try:
        made_here = (root / MARKER).read_text() == _here()
    except OSError:
        return
    if made_here:
        # Late: who has no use for netlink does without the library's memory.
        from podyard.kubelet.network import links, masquerade
        from podyard.kubelet.network.netns import TABLE

        with contextlib.suppress(OSError):  # a kernel without nftables, where there can be no table
            masquerade.remove(TABLE)
        links.remove_all()
    (root / MARKER).unlink()


def _here() -> str:
    return str(os.stat("/proc/thread-self/ns/net").st_ino)
