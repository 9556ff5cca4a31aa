"""Putting the REST application on a socket."""

from __future__ import annotations

import ssl

from aiohttp import web

SHUTDOWN_SECONDS = 2.0


async def serve(app: web.Application, address: str, port: int, tls: ssl.SSLContext | None) -> web.AppRunner:
    """Serve until `cleanup` of the runner that is given back. Raises OSError when the port is taken.

    The bound address is in the runner's `addresses`. A handler whose client has gone is cancelled;
    writes are shielded from that.
    """
    runner = web.AppRunner(
        app,
        access_log=None,
        handler_cancellation=True,
        shutdown_timeout=SHUTDOWN_SECONDS,
        keepalive_timeout=120.0,
    )
    await runner.setup()
    try:
        await web.TCPSite(runner, address, port, ssl_context=tls, backlog=1024).start()
    except BaseException:
        await runner.cleanup()
        raise
    return runner
