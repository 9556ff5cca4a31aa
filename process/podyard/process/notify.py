"""Readiness and liveness, told to whoever supervises this process.

The protocol is systemd's sd_notify(3): datagrams of KEY=VALUE lines to the UNIX socket that
$NOTIFY_SOCKET names. `podyard up` listens on one, and so can systemd. Without the variable
every call does nothing.
"""

from __future__ import annotations

import asyncio
import os
import socket

WATCHDOG_SECONDS = 2.0


def notify(**fields: str | int) -> None:
    """Send fields such as READY=1, STATUS="serving on 127.0.0.1:6443", STOPPING=1, WATCHDOG=1."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    lines = "\n".join(f"{key}={value}" for key, value in fields.items())
    address = "\0" + path[1:] if path.startswith("@") else path
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.sendto(lines.encode(), address)
        except OSError:
            return  # the supervisor is gone; that is not this process' trouble


async def watchdog() -> None:
    """Say for ever that the event loop turns, every WATCHDOG_SECONDS."""
    while True:
        notify(WATCHDOG=1)
        await asyncio.sleep(WATCHDOG_SECONDS)
