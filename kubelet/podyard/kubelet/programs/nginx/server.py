"""Our own nginx: static files over aiohttp, with nginx' pages, headers, log lines and signals."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import time
from typing import TYPE_CHECKING
from urllib.parse import unquote

from podyard.kubelet.programs.nginx.light_aiohttp import import_web_server
from podyard.kubelet.programs.nginx.setup import Site

import_web_server()

from aiohttp.abc import AbstractAccessLogger  # noqa: E402
from aiohttp.web_fileresponse import FileResponse  # noqa: E402
from aiohttp.web_response import Response, StreamResponse  # noqa: E402
from aiohttp.web_server import Server  # noqa: E402

if TYPE_CHECKING:
    import ssl

    from aiohttp.web_protocol import RequestHandler
    from aiohttp.web_request import BaseRequest

    Sockets = list[tuple[socket.socket, ssl.SSLContext | None]]

SIGNALS = {signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1}
REASONS = {403: "Forbidden", 404: "Not Found", 405: "Not Allowed"}
GRACE_SECONDS = 3600.0  # SIGQUIT waits for requests in flight; the kubelet has the last word
LINGER_SECONDS = 0.1
"""How long SIGQUIT leaves to clients who do not know of it yet.

In a cluster the signal and the news that this endpoint is gone are on their way at the same time: a
connection that comes in between would be cut off before its request is read.
"""
FIRST_REQUEST_SECONDS = 5.0
"""How long SIGQUIT waits for the first request of a connection, as nginx does (client_header_timeout there).

A client that has connected to a busy machine, or from one, is at no fault.
"""
LOOK_SECONDS = 0.02
ERROR_PAGE = (
    "<html>\r\n<head><title>{what}</title></head>\r\n<body>\r\n<center><h1>{what}</h1></center>\r\n"
    "<hr><center>nginx/{version}</center>\r\n</body>\r\n</html>\r\n"
)


class AccessLog(AbstractAccessLogger):
    """One line a request on standard output, as the nginx image's log_format "main" has it."""

    def log(self, request: BaseRequest, response: StreamResponse, time: float) -> None:
        """Called when the answer has been sent."""
        names = ("Referer", "User-Agent", "X-Forwarded-For")
        referer, agent, forwarded = (request.headers.get(name, "-") for name in names)
        version = f"HTTP/{request.version[0]}.{request.version[1]}"
        size = 0 if request.method == "HEAD" else response.content_length or 0
        sys.stdout.write(
            f'{request.remote} - - [{_local_time()}] "{request.method} {request.raw_path} {version}" '
            f'{response.status} {size} "{referer}" "{agent}" "{forwarded}"\n'
        )
        sys.stdout.flush()


class Handler:
    """Answers requests with files below the site's root."""

    def __init__(self, site: Site) -> None:
        self._root = os.path.realpath(site.root)
        self._version = site.version
        self._server = f"nginx/{site.version}"

    async def __call__(self, request: BaseRequest) -> StreamResponse:
        """One request."""
        response = self._respond(request)
        response.headers["Server"] = self._server
        return response

    def _respond(self, request: BaseRequest) -> StreamResponse:
        if request.method not in ("GET", "HEAD"):
            return self._error(405)
        path = os.path.realpath(self._root + "/" + unquote(request.path).split("?")[0])
        if os.path.isdir(path) and path.startswith(self._root):
            path += "/index.html"
            if not os.path.isfile(path):
                return self._error(403 if path != f"{self._root}/index.html" else 404)
        if not path.startswith(f"{self._root}/") or not os.path.isfile(path):
            return self._error(404)
        return FileResponse(path)

    def _error(self, status: int) -> Response:
        page = ERROR_PAGE.format(what=f"{status} {REASONS[status]}", version=self._version)
        return Response(status=status, reason=REASONS[status], body=page.encode(), content_type="text/html")


def serve(site: Site) -> int:
    """Serve until SIGTERM (at once) or SIGQUIT (when the requests in flight are answered)."""
    # Until there are handlers, without which process 1 of a namespace loses them. The stop signal is blocked
    # since its start already (stopSignalBlocked).
    signal.pthread_sigmask(signal.SIG_BLOCK, SIGNALS)
    try:
        tls = _tls(site) if site.tls_port else None
        sockets: Sockets = [(_listen(site.address, port), None) for port in site.ports]
        if tls is not None:
            sockets.append((_listen(site.address, site.tls_port), tls))
    except OSError as error:  # ssl.SSLError is one
        print(f"nginx: [emerg] {error.strerror or error}", file=sys.stderr)
        return 1
    asyncio.run(_serve(site, sockets))
    return 0


async def _serve(site: Site, sockets: Sockets) -> None:
    loop = asyncio.get_running_loop()
    ended: asyncio.Queue[float] = asyncio.Queue()
    for number, grace in ((signal.SIGTERM, 0.0), (signal.SIGINT, 0.0), (signal.SIGQUIT, GRACE_SECONDS)):
        loop.add_signal_handler(number, ended.put_nowait, grace)
    loop.add_signal_handler(signal.SIGHUP, _reload, site, sockets)
    loop.add_signal_handler(signal.SIGUSR1, lambda: None)  # reopen: the logs are standard output
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    server = Server(Handler(site), access_log_class=AccessLog, access_log=logging.getLogger("access"))
    listeners = [await loop.create_server(server, sock=sock, ssl=tls) for sock, tls in sockets]
    with open(site.pid_file, "w", encoding="ascii") as file:
        file.write(f"{os.getpid()}\n")
    grace = await ended.get()
    finish = asyncio.ensure_future(_finish(server, listeners, grace))
    hurry = asyncio.ensure_future(ended.get())
    await asyncio.wait((finish, hurry), return_when=asyncio.FIRST_COMPLETED)


async def _finish(server: Server, listeners: list[asyncio.Server], grace: float) -> None:
    if grace:
        for _ in range(round(LINGER_SECONDS / LOOK_SECONDS)):  # a machine that stands still takes one of them
            await asyncio.sleep(LOOK_SECONDS)
    for listener in listeners:
        listener.close()
    if grace:
        await _first_requests(server)
    server.pre_shutdown()
    await server.shutdown(grace)


async def _first_requests(server: Server) -> None:
    """Wait until every connection has had one; what was accepted last becomes a connection only now."""
    for _ in range(round(FIRST_REQUEST_SECONDS / LOOK_SECONDS)):
        await asyncio.sleep(LOOK_SECONDS)
        if not any(map(_is_new, server.connections)):
            return


def _is_new(connection: RequestHandler) -> bool:
    """Whether nothing has been asked on it yet. aiohttp counts, but tells nobody."""
    return getattr(connection, "_request_count", 1) == 0


def _listen(address: str, port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        sock.bind((address, port))
    except OSError as error:
        text = f"bind() to {address}:{port} failed ({error.errno}: {error.strerror})"
        raise OSError(error.errno, text) from None
    sock.listen(511)
    return sock


def _tls(site: Site) -> ssl.SSLContext:
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load_certificate(site, context)
    return context


def _load_certificate(site: Site, context: ssl.SSLContext) -> None:
    """Raises OSError, in nginx' words."""
    assert site.certificate is not None
    try:
        context.load_cert_chain(*site.certificate)
    except OSError as error:
        text = f'cannot load certificate "{site.certificate[0]}": {error.strerror or error}'
        raise OSError(error.errno, text) from None


def _reload(site: Site, sockets: Sockets) -> None:
    """Use the certificate that is there now for the connections to come."""
    for _, context in sockets:
        if context is not None:
            try:
                _load_certificate(site, context)
            except OSError as error:
                print(f"nginx: [emerg] {error.strerror}", file=sys.stderr)


def _local_time() -> str:
    return time.strftime("%d/%b/%Y:%H:%M:%S %z")
