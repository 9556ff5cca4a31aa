"""Takes down a node's pod network, when no kubelet runs any more, and remembers what that takes."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from pathlib import Path

MARKER = "network-namespace"
FORWARDING_NOTE = "network-forwarding"
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")

logger = logging.getLogger("kubelet.network")


def mark(root: Path) -> None:
    """Remember, for the node whose state is in `root`, in which network namespace it is made."""
    (root / MARKER).write_text(_here())


def turn_on_forwarding(root: Path) -> str:
    """Let this host forward packets, and remember if it did not; why it cannot, empty when it does."""
    if FORWARDING.read_text().strip() == "1":
        return ""
    note = [_here_since_boot(), *sorted(_links())]
    (root / FORWARDING_NOTE).write_text("\n".join(note))  # before: whoever is killed now has said so
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
    """Off again, if it was we who turned it on, not before the host was booted, and nobody else may need it.

    Who else does would not have had to turn it on, and be cut off; but who forwards has links of its own.
    """
    try:
        when, *links = (root / FORWARDING_NOTE).read_text().splitlines()
    except OSError:
        return
    if when != _here_since_boot() or FORWARDING.read_text().strip() != "1":
        return
    if come := _links() - set(links):
        logger.warning("net.ipv4.ip_forward stays 1: there may be use for it (%s)", ", ".join(sorted(come)))
    else:
        FORWARDING.write_text("0")


def _links() -> set[str]:
    """This host's links, but for those that pods and the proxy of a node leave behind for a moment."""
    return {name for _, name in socket.if_nameindex() if not name.startswith(("veth", "podyard-svc"))}


def _here_since_boot() -> str:
    return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {_here()}"


def _here() -> str:
    return str(os.stat("/proc/thread-self/ns/net").st_ino)
