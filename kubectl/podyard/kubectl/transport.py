"""HTTPS to the API: one connection, kept open, as the user of the kubeconfig."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import socket
import ssl
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from podyard.kubectl.certificates import tls_context
from podyard.kubectl.errors import CommandError, PlainError
from podyard.kubectl.identity import authorization, impersonation
from podyard.kubectl.kubeconfig import Target
from podyard.kubectl.output import system_text
from podyard.kubectl.replies import Reply, warning_text

JSON = "application/json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"

_MOVED = (301, 302, 303, 307, 308)

_CHUNK = 64 * 1024

Query = Mapping[str, str | Sequence[str]]


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where a server is; `tls`, and the `name` that its certificate must have, when it speaks HTTPS."""

    host: str
    port: int
    tls: ssl.SSLContext | None
    name: str | None


class Transport:
    """Requests to one server. Not for several threads."""

    def __init__(self, target: Target, *, timeout: float = 0, verbosity: int = 0) -> None:
        self.server = target.server
        try:
            self._split = urlsplit(target.server)
            self._port = self._split.port
        except ValueError:
            raise CommandError(f'host must be a URL or a host:port pair: "{target.server}"') from None
        self._target = target
        self._timeout = timeout or None
        self._verbosity = verbosity
        self._connection: http.client.HTTPConnection | None = None
        self._context: ssl.SSLContext | None = None
        self._authorization: str | None = None
        self._warned: set[str] = set()

    def request(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: Any = None,
        content_type: str = JSON,
        accept: str = JSON,
        redirects: int = 10,
    ) -> Reply:
        """Send one request and read the whole answer; a GET follows `redirects` within the server.

        Raises CommandError without an answer.
        """
        data = (
            None
            if body is None
            else body
            if isinstance(body, bytes)
            else json.dumps(body, separators=(",", ":")).encode()
        )
        headers = self.headers({"Accept": accept})
        if data is not None:
            headers["Content-Type"] = content_type
        reply = self._send(method, self.path(path, query), data, headers)
        with self._errors():
            content = reply.read()
        self._warn(reply)
        moved = reply.headers.get("Location", "") if reply.status in _MOVED else ""
        if method == "GET" and moved.startswith("/") and redirects:
            return self.request("GET", moved, accept=accept, redirects=redirects - 1)
        return Reply(reply.status, content)

    def json(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        """`request`, with the answer decoded. Raises ApiError when it is refused."""
        return self.request(method, path, **options).json()

    @contextlib.contextmanager
    def stream(self, path: str, query: Query | None = None, accept: str = JSON) -> Iterator[Iterator[bytes]]:
        """The lines of the answer to a GET, while they come, on a connection of its own. Raises ApiError."""
        connection = self._connect()
        try:
            with self._errors():
                connection.request("GET", self.path(path, query), headers=self.headers({"Accept": accept}))
                reply = connection.getresponse()
            self._log("GET", path, reply.status)
            self._warn(reply)
            if reply.status >= 400:
                Reply(reply.status, reply.read()).json()
            yield _lines(reply)
        finally:
            connection.close()

    def path(self, path: str, query: Query | None = None) -> str:
        """What stands in the request line."""
        return self._split.path + quote(path, safe="/?:@!$&'()*+,;=~%") + encode_query(query, path)

    def headers(self, more: Mapping[str, str]) -> dict[str, str]:
        """The headers of every request, and `more`."""
        if self._authorization is None:
            self._authorization = authorization(self._target)
        headers = {"User-Agent": "podyard-kubectl", **more}
        if self._authorization:
            headers["Authorization"] = self._authorization
        headers |= impersonation(self._target.user)
        for name, value in headers.items():
            if not (value.isascii() and value.isprintable()):
                raise CommandError(f'net/http: invalid header field value for "{name}"')
        return headers

    @property
    def warnings(self) -> int:
        """How many different warnings the server has given."""
        return len(self._warned)

    @property
    def host(self) -> str:
        """The host and port of the server."""
        return self._split.netloc

    def dial(self) -> socket.socket:
        """A new connection, with TLS if the server has it; for what is no ordinary request."""
        connection = self._connect()
        with self._errors():
            connection.connect()
        sock = connection.sock
        if not isinstance(sock, socket.socket):
            raise CommandError("no connection")
        return sock

    def endpoint(self) -> Endpoint:
        """Where the server is. Raises CommandError for certificates that cannot be read."""
        proxy = self._target.cluster.get("proxy-url")
        if proxy:
            raise CommandError(f"proxy-url {proxy}: connections through a proxy are not supported")
        host = self._split.hostname or "localhost"
        if self._split.scheme != "https":
            if self._split.scheme != "http":
                raise PlainError(
                    f'Unable to connect to the server: unsupported protocol scheme "{self._split.scheme}"'
                )
            return Endpoint(host, self._port or 80, None, None)
        if self._context is None:
            self._context = tls_context(self._target)
        name = str(self._target.cluster.get("tls-server-name") or host)
        return Endpoint(host, self._port or 443, self._context, name)

    def _connect(self) -> http.client.HTTPConnection:
        end = self.endpoint()
        if end.tls is None or end.name is None:
            return http.client.HTTPConnection(end.host, end.port, timeout=self._timeout)
        if end.name != end.host:
            return _NamedConnection(end.host, end.port, end.tls, self._timeout, end.name)
        return http.client.HTTPSConnection(end.host, end.port, timeout=self._timeout, context=end.tls)

    def _send(
        self, method: str, path: str, data: bytes | None, headers: dict[str, str]
    ) -> http.client.HTTPResponse:
        """Send on the open connection, or on a new one when the server has closed it meanwhile."""
        for attempt in (1, 2):
            fresh = self._connection is None
            connection = self._connection = self._connection or self._connect()
            try:
                with self._errors():
                    connection.request(method, path, data, headers)
                    reply = connection.getresponse()
                self._log(method, path, reply.status)
                return reply
            except CommandError:
                self._connection = None
                connection.close()
                if fresh or attempt == 2:
                    raise
        raise AssertionError("unreachable")

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn what the network raises into kubectl's one-line messages."""
        try:
            yield
        except ConnectionRefusedError:
            raise PlainError(
                f"The connection to the server {self.host} was refused - "
                "did you specify the right host or port?"
            ) from None
        except TimeoutError:
            raise PlainError(
                "Unable to connect to the server: net/http: request canceled (timeout)"
            ) from None
        except ssl.SSLCertVerificationError as error:
            text = f"tls: failed to verify certificate: x509: {_x509_text(error)}"
            raise PlainError(f"Unable to connect to the server: {text}") from None
        except ssl.SSLError as error:
            raise PlainError(f"Unable to connect to the server: {error.reason or error}") from None
        except socket.gaierror:
            text = f"dial tcp: lookup {self._split.hostname}: no such host"
            raise PlainError(f"Unable to connect to the server: {text}") from None
        except OSError as error:
            raise PlainError(f"Unable to connect to the server: {system_text(error)}") from None
        except http.client.HTTPException as error:
            raise PlainError(f"Unable to connect to the server: {error or type(error).__name__}") from None

    def _log(self, method: str, path: str, status: int) -> None:
        if self._verbosity >= 6:
            print(f"{method} {self.server}{path} {status}", file=sys.stderr)

    def _warn(self, reply: http.client.HTTPResponse) -> None:
        """Show what the server warns of, each warning once."""
        for header in reply.headers.get_all("Warning") or ():
            text = warning_text(header)
            if text and text not in self._warned:
                self._warned.add(text)
                yellow = sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb"
                label = "\x1b[33;1mWarning:\x1b[0m" if yellow else "Warning:"
                print(f"{label} {text}", file=sys.stderr)


class BrokenStreamError(CommandError):
    """The connection ended before the answer did."""


class DeadlineError(CommandError):
    """--request-timeout has passed while an answer was read."""


def _lines(reply: http.client.HTTPResponse) -> Iterator[bytes]:
    """What comes, line by line. Raises CommandError when the connection breaks."""
    rest = b""
    try:
        while chunk := reply.read1(_CHUNK):
            *lines, rest = (rest + chunk).split(b"\n")
            yield from (line + b"\n" for line in lines)
    except TimeoutError:
        raise DeadlineError(
            "context deadline exceeded (Client.Timeout or context cancellation while reading body)"
        ) from None
    except (OSError, http.client.HTTPException):
        raise BrokenStreamError("unexpected EOF") from None
    if rest:
        yield rest


class _NamedConnection(http.client.HTTPSConnection):
    """HTTPS to a server whose certificate has another name than its address."""

    def __init__(
        self, host: str, port: int, context: ssl.SSLContext, timeout: float | None, name: str
    ) -> None:
        super().__init__(host, port, timeout=timeout, context=context)
        self._tls = context
        self._name = name

    def connect(self) -> None:
        """Connect, and expect the other name."""
        http.client.HTTPConnection.connect(self)
        self.sock = self._tls.wrap_socket(self.sock, server_hostname=self._name)


def encode_query(query: Query | None, path: str = "") -> str:
    """A query string with its question mark; parameters without a value are left out."""
    pairs = [(k, v) for k, v in (query or {}).items() if v not in ("", None, [])]
    if not pairs:
        return ""
    return ("&" if "?" in path else "?") + urlencode(pairs, doseq=True)


def _x509_text(error: ssl.SSLCertVerificationError) -> str:
    """What is wrong with a certificate, in Go's words where it has some."""
    text = error.verify_message.rstrip(".")
    unknown = ("self-signed certificate", "self signed certificate", "unable to get")
    if text.startswith(unknown):
        return "certificate signed by unknown authority"
    return "certificate has expired or is not yet valid" if "expired" in text else text
