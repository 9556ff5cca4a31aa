"""An HTTP server that passes requests on to the API as the user of the kubeconfig.

Source: k8s.io/kubectl pkg/proxy.
"""

from __future__ import annotations

import asyncio
import http.client
import os
import re
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote

import h11

from podyard.kubectl.errors import CommandError
from podyard.kubectl.transport import Transport
from podyard.process.http1 import (
    MAX_HEAD_BYTES,
    Exchange,
    Headers,
    SocketStream,
    end_to_end,
    headers_of,
    join,
)

_TEXT = [("Content-Type", "text/plain; charset=utf-8"), ("X-Content-Type-Options", "nosniff")]


@dataclass(frozen=True, slots=True)
class Filter:
    """Which requests are passed on: patterns that are looked for."""

    accept_paths: Sequence[re.Pattern[str]]
    reject_paths: Sequence[re.Pattern[str]]
    accept_hosts: Sequence[re.Pattern[str]]
    reject_methods: Sequence[re.Pattern[str]]

    def accepts(self, method: str, path: str, host: str) -> bool:
        """Whether a request is passed on. `host` is its Host header, which tells a page of another site."""
        name = re.sub(r":\d+$", "", host)
        if _any(self.reject_paths, path) or _any(self.reject_methods, method):
            return False
        return _any(self.accept_paths, path) and _any(self.accept_hosts, name)


def patterns(text: str) -> list[re.Pattern[str]]:
    """Compile a list of regular expressions, with commas between them. Raises CommandError."""
    try:
        return [re.compile(one) for one in text.split(",")]
    except re.error as error:
        raise CommandError(f'Error compiling re: "{text}": {error}') from None


def _any(wanted: Sequence[re.Pattern[str]], text: str) -> bool:
    return any(pattern.search(text) for pattern in wanted)


class Incoming:
    """The requests of one connection, one after the other."""

    def __init__(self, stream: SocketStream) -> None:
        self._stream = stream
        self._http = h11.Connection(h11.SERVER, max_incomplete_event_size=MAX_HEAD_BYTES)

    async def request(self) -> h11.Request | None:
        """The next request; None when there is none. Raises h11.RemoteProtocolError."""
        event = await self._next()
        return event if isinstance(event, h11.Request) else None

    async def body(self) -> AsyncIterator[bytes]:
        """Its body, as it comes."""
        if self._http.they_are_waiting_for_100_continue:
            await self._send(h11.InformationalResponse(status_code=100, headers=[]))
        while isinstance(event := await self._next(), h11.Data):
            yield bytes(event.data)

    async def answer(self, status: int, headers: Headers, body: AsyncIterator[bytes]) -> None:
        """Answer it."""
        reason = http.client.responses.get(status, "").encode()
        await self._send(h11.Response(status_code=status, headers=_encoded(headers), reason=reason))
        async for chunk in body:
            await self._send(h11.Data(data=chunk))
        await self._send(h11.EndOfMessage())

    async def tell(self, status: int, text: str) -> None:
        """Answer it with a line of text."""
        line = f"{text}\n".encode()
        await self.answer(status, [*_TEXT, ("Content-Length", str(len(line)))], _once(line))

    async def upgrade(self, headers: Headers) -> bytes:
        """Answer 101; gives what the client has sent in the other protocol already."""
        async for _ in self.body():
            continue
        await self._send(h11.InformationalResponse(status_code=101, headers=_encoded(headers)))
        return self._http.trailing_data[0]

    def more(self) -> bool:
        """Whether another request may come."""
        if self._http.our_state is h11.DONE and self._http.their_state is h11.DONE:
            self._http.start_next_cycle()
            return True
        return False

    async def _send(self, event: h11.Event) -> None:
        await self._stream.write(self._http.send(event) or b"")

    async def _next(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            self._http.receive_data(await self._stream.read())
        return event


class ApiProxy:
    """Serves connections. `prefix` begins and ends with a slash; it is taken off the paths."""

    def __init__(self, transport: Transport, prefix: str, allowed: Filter | None) -> None:
        self._transport = transport
        self._prefix = prefix
        self._allowed = allowed

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        stream = SocketStream(reader, writer)
        incoming = Incoming(stream)
        try:
            with suppress(ConnectionError, h11.ProtocolError):
                while (request := await incoming.request()) is not None:
                    await self._handle(incoming, stream, request)
                    if not incoming.more():
                        return
        finally:
            stream.close()

    async def _handle(self, incoming: Incoming, stream: SocketStream, request: h11.Request) -> None:
        headers = headers_of(request)
        method, target = request.method.decode(), request.target.decode("latin-1")
        path = unquote(target.partition("?")[0])
        host = next((value for name, value in headers if name.lower() == "host"), "")
        if self._allowed is not None and not self._allowed.accepts(method, path, host):
            return await incoming.tell(403, "Forbidden")
        if not target.startswith(self._prefix):
            return await incoming.tell(404, "404 page not found")
        try:
            upstream = await self._dial()
        except OSError as error:
            return await incoming.tell(500, self._problem(error))
        exchange = Exchange(upstream)
        sent = self._request_headers(headers, stream.peer)
        target = "/" + target.removeprefix(self._prefix)
        sending = asyncio.create_task(exchange.send(method, target, sent, incoming.body()))
        try:
            status, answered = await exchange.answer()
            if status == 101:
                await sending
                await upstream.write(await incoming.upgrade(answered))
                await stream.write(exchange.rest)
                return await join(stream, upstream)
            return await incoming.answer(status, end_to_end(answered), exchange.body())
        except ConnectionError as error:
            return await incoming.tell(500, str(error))
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)
            upstream.close()

    async def _dial(self) -> SocketStream:
        end = self._transport.endpoint()
        opened = asyncio.open_connection(end.host, end.port, ssl=end.tls, server_hostname=end.name)
        return SocketStream(*await opened)

    def _problem(self, error: OSError) -> str:
        """Why the server cannot be reached."""
        end = self._transport.endpoint()
        if isinstance(error, ssl.SSLCertVerificationError):
            return f"tls: failed to verify certificate: {error.verify_message}"
        if isinstance(error, ssl.SSLError):
            return f"tls: {error.reason}"
        if isinstance(error, socket.gaierror):
            return f"dial tcp: lookup {end.host}: no such host"
        return f"dial tcp {end.host}:{end.port}: connect: {os.strerror(error.errno or 0).lower()}"

    def _request_headers(self, headers: Headers, peer: str) -> Headers:
        """The headers for the API: as the user, and from whom."""
        given = {name.lower(): value for name, value in headers}
        ours = self._transport.headers({"Host": self._transport.host})
        ours.pop("User-Agent")
        if "authorization" in given:
            ours.pop("Authorization", None)
        came_from = [given["x-forwarded-for"]] if "x-forwarded-for" in given else []
        ours["X-Forwarded-For"] = ", ".join([*came_from, peer])
        if "upgrade" in given.get("connection", "").lower() and "upgrade" in given:
            ours |= {"Connection": "Upgrade", "Upgrade": given["upgrade"]}
        elif "transfer-encoding" in given:
            ours["Transfer-Encoding"] = "chunked"
        replaced = {name.lower() for name in ours} | {"expect"}
        return [*((k, v) for k, v in end_to_end(headers) if k.lower() not in replaced), *ours.items()]


def _encoded(headers: Headers) -> list[tuple[bytes, bytes]]:
    return [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data
