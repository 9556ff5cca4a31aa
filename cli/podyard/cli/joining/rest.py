"""The apiserver of a cluster elsewhere, by REST: all that a host can use which has no certificate yet."""

from __future__ import annotations

import email.utils
import os
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import aiohttp

from podyard.process.main import UserError

Object = dict[str, Any]

TIMEOUT = aiohttp.ClientTimeout(total=10)

_NOT_OUR_CA = (7, 18, 19, 20, 21)
"""OpenSSL's X509_V_ERR_… for a certificate that nobody trusted has signed (x509_vfy.h); 7 is that a CA of the
same name has: as when the server was made anew."""


class OtherAuthority(UserError):
    """The server's certificate is signed by another CA than the one that is expected."""


class Unreachable(UserError):
    """Nobody answers there, or not now."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the server said. `ahead` is how many seconds its clock is ahead of this host's."""

    code: int
    body: Object
    ahead: float

    @property
    def message(self) -> str:
        """A Status' message."""
        return str(self.body.get("message") or f"HTTP status {self.code}")


class Rest:
    """Requests to one server, HOST:PORT. With neither `ca` nor anything else it trusts whoever answers.

    `ca` is the CA's certificate, PEM; `token` a bearer token; `identity` a file with certificate and key.
    """

    def __init__(
        self, server: str, *, ca: bytes | None = None, token: str = "", identity: Path | None = None
    ) -> None:
        self._server = server
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._tls = _context(ca, identity)
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Rest:
        connector = aiohttp.TCPConnector(ssl=self._tls)
        self._session = aiohttp.ClientSession(
            f"https://{self._server}", connector=connector, headers=self._headers, timeout=TIMEOUT
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._session is not None
        await self._session.close()

    async def get(self, path: str) -> Answer:
        """GET. Raises UserError when there is no answer."""
        return await self._ask("GET", path)

    async def post(self, path: str, body: Object) -> Answer:
        """POST an object. Raises UserError when there is no answer."""
        return await self._ask("POST", path, body)

    async def _ask(self, method: str, path: str, body: Object | None = None) -> Answer:
        assert self._session is not None
        try:
            async with self._session.request(method, path, json=body) as reply:
                ahead = _date(reply.headers.get("Date", "")) - time.time()
                decoded = await reply.json(content_type=None)
                return Answer(reply.status, decoded if isinstance(decoded, dict) else {}, ahead)
        except aiohttp.ClientConnectorCertificateError as error:
            raise self._untrusted(error.certificate_error) from None
        except aiohttp.ClientConnectorSSLError as error:
            raise UserError(
                f"{self._server} does not speak TLS as a podyard server does: {error.strerror}"
            ) from None
        except TimeoutError:
            raise Unreachable(f"cannot reach {self._server}: no answer within {TIMEOUT.total:g} s") from None
        except aiohttp.ClientConnectorError as error:
            raise Unreachable(f"cannot reach {self._server}: {_reason(error.os_error)}") from None
        except (aiohttp.ClientConnectionError, OSError) as error:  # it ends, or has only begun
            raise Unreachable(f"cannot reach {self._server}: {error}") from None
        except (aiohttp.ClientError, ValueError) as error:
            raise UserError(f"{self._server} does not answer as a podyard server does: {error}") from None

    def _untrusted(self, error: Exception) -> UserError:
        code = getattr(error, "verify_code", 0)
        why = getattr(error, "verify_message", str(error))
        if code in _NOT_OUR_CA:
            return OtherAuthority(
                f"the certificate of {self._server} is not signed by the CA that was expected"
            )
        return UserError(f"the certificate of {self._server} is not good: {why}")


def _context(ca: bytes | None, identity: Path | None) -> ssl.SSLContext:
    if ca is None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    else:
        context = ssl.create_default_context(cadata=ca.decode("ascii"))
    if identity is not None:
        context.load_cert_chain(str(identity))
    return context


def _reason(error: OSError) -> str:
    """Why a connection could not be made; asyncio's own text repeats where to."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or str(error)


def _date(header: str) -> float:
    """The time of an HTTP date, seconds since 1970; now, when there is none."""
    try:
        return email.utils.parsedate_to_datetime(header).timestamp()
    except (TypeError, ValueError):
        return time.time()
