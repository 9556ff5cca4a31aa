"""Asks the cluster's DNS for one name, as any program would: the last thing that must work."""

from __future__ import annotations

import asyncio
import socket
import sys


def question(name: str, identifier: int = 0x7079) -> bytes:
    """An A query (RFC 1035 section 4)."""
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    header = identifier.to_bytes(2, "big") + b"\x01\x00" + b"\x00\x01" + b"\x00\x00" * 3
    return header + labels + b"\x00" + b"\x00\x01\x00\x01"


def has_answer(reply: bytes) -> bool:
    """Whether a reply says NOERROR and holds at least one record."""
    return len(reply) > 12 and reply[3] & 0x0F == 0 and int.from_bytes(reply[6:8], "big") > 0


async def until_answered(address: str, name: str) -> None:
    """Ask `address` port 53 for `name` until it answers."""
    loop = asyncio.get_running_loop()
    while True:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as sock:
            try:
                sock.connect((address, 53))
                await loop.sock_sendall(sock, question(name))
                if has_answer(await asyncio.wait_for(loop.sock_recv(sock, 512), 0.5)):
                    return
            except (OSError, TimeoutError):
                pass  # nobody listens yet
        await asyncio.sleep(0.02)


if __name__ == "__main__":  # for a cluster in namespaces of its own
    asyncio.run(until_answered(sys.argv[1], sys.argv[2]))
