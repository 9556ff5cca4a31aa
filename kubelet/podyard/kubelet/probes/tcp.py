"""tcpSocket probes: does the port accept a connection?"""

from __future__ import annotations

import asyncio

from podyard.kubelet.probes import ProbeResult


def dial_error(host: str, port: int, error: BaseException) -> str:
    """A failed connection in the words of Go's net package, which users know from Events."""
    where = f"dial tcp {host}:{port}"
    if isinstance(error, TimeoutError):
        return f"{where}: i/o timeout"
    if isinstance(error, ConnectionRefusedError):
        return f"{where}: connect: connection refused"
    if isinstance(error, OSError) and error.strerror:
        return f"{where}: connect: {error.strerror.lower()}"
    return f"{where}: {error}"


async def probe_tcp(host: str, port: int, timeout: float) -> ProbeResult:
    """Connect and hang up."""
    try:
        async with asyncio.timeout(timeout):
            _, writer = await asyncio.open_connection(host, port)
    except (OSError, TimeoutError, UnicodeError) as error:  # the latter: no name of a host
        return ProbeResult("failure", dial_error(host, port, error))
    writer.close()
    return ProbeResult("success")
