"""TLS over a ByteStream, as a client."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from typing import TypeVar

from podyard.process.http1 import CHUNK_BYTES, ByteStream

T = TypeVar("T")


class TlsStream:
    """The bytes inside. As in Kubernetes, the certificate is not checked: pods are known by their address."""

    def __init__(self, stream: ByteStream) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._stream = stream
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing)

    async def open(self) -> None:
        """Shake hands. Raises ConnectionError."""
        await self._do(self._tls.do_handshake)

    async def read(self) -> bytes:
        """Some bytes; b"" at the end."""
        try:
            return await self._do(lambda: self._tls.read(CHUNK_BYTES))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    async def write(self, data: bytes) -> None:
        """Send."""
        if data:
            await self._do(lambda: self._tls.write(data))

    async def _do(self, act: Callable[[], T]) -> T:
        while True:
            try:
                result = act()
            except ssl.SSLWantReadError:
                await self._flush()
                received = await self._stream.read()
                if received:
                    self._incoming.write(received)
                else:
                    self._incoming.write_eof()
            except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
                raise
            except ssl.SSLError as error:
                text = str(error.reason or error)
                if text == "WRONG_VERSION_NUMBER":
                    text = "first record does not look like a TLS handshake"
                raise ConnectionError(f"tls: {text}") from None
            else:
                await self._flush()
                return result

    async def _flush(self) -> None:
        if data := self._outgoing.read():
            await self._stream.write(data)
