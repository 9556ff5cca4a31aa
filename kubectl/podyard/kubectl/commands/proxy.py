"""kubectl proxy. Source: k8s.io/kubectl pkg/cmd/proxy."""

from __future__ import annotations

import asyncio
import os
import socket
import sys

from podyard.kubectl.commands import Command
from podyard.kubectl.errors import CommandError, UsageError
from podyard.kubectl.flags import Flag
from podyard.kubectl.proxying import ApiProxy, Filter, patterns
from podyard.kubectl.session import Session


def run(session: Session) -> int:
    """Serve the API on a local port, until Ctrl-C."""
    if session.args:
        raise UsageError(session.command, f"unexpected arguments: {' '.join(session.args)}")
    if not 0 <= session["port"] < 65536:
        raise CommandError(f"listen tcp: address {session['port']}: invalid port")
    allowed = Filter(
        accept_paths=patterns(session["accept-paths"]),
        reject_paths=patterns(session["reject-paths"]),
        accept_hosts=patterns(session["accept-hosts"]),
        reject_methods=patterns(session["reject-methods"]),
    )
    if session["disable-filter"]:
        session.err("Request filter disabled, your proxy is vulnerable to XSRF attacks, please be cautious\n")
    prefix = f"/{session['api-prefix'].strip('/')}/".replace("//", "/")
    session.transport.endpoint()  # certificates that cannot be read are told of now
    proxy = ApiProxy(session.transport, prefix, None if session["disable-filter"] else allowed)
    asyncio.run(_serve(session, proxy))
    return 0


async def _serve(session: Session, proxy: ApiProxy) -> None:
    address, port = session["address"], session["port"]
    try:
        server = await asyncio.start_server(proxy.serve, address, port)
    except OSError as error:
        raise CommandError(_problem(error, address, port)) from None
    host, bound, *_ = server.sockets[0].getsockname()
    session.out(f"Starting to serve on {f'[{host}]' if ':' in host else host}:{bound}\n")
    sys.stdout.flush()
    await server.serve_forever()


def _problem(error: OSError, address: str, port: int) -> str:
    if isinstance(error, socket.gaierror):
        return f"listen tcp: lookup {address}: no such host"
    shown = f"[{address}]" if ":" in address else address
    return f"listen tcp {shown}:{port}: bind: {os.strerror(error.errno or 0).lower()}"


COMMAND = Command(
    "proxy [--port=PORT] [--api-prefix=prefix] [options]",
    "Run a proxy to the Kubernetes API server",
    run,
    (
        Flag("port", "The port on which to run the proxy. Set to 0 to pick a random port.", "p", "int", 8001),
        Flag("address", "The IP address on which to serve on.", default="127.0.0.1"),
        Flag("api-prefix", "Prefix to serve the proxied API under.", default="/"),
        Flag("accept-paths", "Regular expression for paths that the proxy should accept.", default="^.*"),
        Flag(
            "reject-paths",
            "Regular expression for paths that the proxy should reject. Paths specified here will be "
            "rejected even accepted by --accept-paths.",
            default="^/api/.*/pods/.*/exec,^/api/.*/pods/.*/attach",
        ),
        Flag(
            "accept-hosts",
            "Regular expression for hosts that the proxy should accept.",
            default=r"^localhost$,^127\.0\.0\.1$,^\[::1\]$",
        ),
        Flag(
            "reject-methods",
            "Regular expression for HTTP methods that the proxy should reject "
            "(example --reject-methods='POST,PUT,PATCH').",
            default="^$",
        ),
        Flag(
            "disable-filter",
            "If true, disable request filtering in the proxy. This is dangerous, and can leave you "
            "vulnerable to XSRF attacks, when used with an accessible port.",
            kind="bool",
        ),
    ),
    "kubectl proxy --port=8011\nkubectl proxy --api-prefix=/k8s-api",
)
