"""Takes down a node's pod network, when no kubelet runs any more, and remembers what that takes."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

MARKER = "network-namespace"
FORWARDING_NOTE = "network-forwarding"
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


def mark(root: Path) -> None:
    """Remember, for the node whose state is in `root`, in which network namespace it is made."""
    (root / MARKER).write_text(_here())


def turn_on_forwarding(root: Path) -> str:
    """Let this host forward packets, and remember if it did not; why it cannot, empty when it does."""
    if FORWARDING.read_text().strip() == "1":
        return ""
    (root / FORWARDING_NOTE).write_text(_here_since_boot())  # before: whoever is killed now has said so
    try:
        FORWARDING.write_text("1")
    except OSError as error:
        return f"{FORWARDING} cannot be set to 1: {error.strerror}"
    return ""


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
        _restore_forwarding(root)
    (root / FORWARDING_NOTE).unlink(missing_ok=True)
    (root / MARKER).unlink()


def _restore_forwarding(root: Path) -> None:
    """Off again, if it was we who turned it on, and not before the host was booted."""
    note = root / FORWARDING_NOTE
    ours = note.exists() and note.read_text() == _here_since_boot()
    if ours and FORWARDING.read_text().strip() == "1":
        FORWARDING.write_text("0")


def _here_since_boot() -> str:
    return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {_here()}"


def _here() -> str:
    return str(os.stat("/proc/thread-self/ns/net").st_ino)
