"""One HTTP transfer: connect, send, read, follow redirections."""

from __future__ import annotations

import base64
import http.client
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import SplitResult, urljoin, urlsplit

from podyard.kubelet.programs.curl import errors
from podyard.kubelet.programs.curl.errors import CurlError
from podyard.kubelet.programs.curl.options import Options
from podyard.kubelet.programs.curl.tls import encrypted

AGENT = "curl/7.88.1"
CHUNK_BYTES = 65536
DEFAULT_PORTS = {"http": 80, "https": 443}
REDIRECTIONS = (301, 302, 303, 307, 308)

Write = Callable[[bytes], None]


@dataclass(slots=True)
class Answer:
    """How a transfer went."""

    url: str
    method: str = "GET"
    status: int = 0
    size: int = 0
    seconds: float = 0.0
    connect_seconds: float = 0.0
    remote_ip: str = ""
    remote_port: int = 0
    local_ip: str = ""
    redirect: str = ""
    redirects: int = 0
    content_type: str = ""


class Transfer:
    """One URL of a command line."""

    def __init__(self, options: Options, url: str) -> None:
        self._options = options
        self._body = None if options.get else options.body
        self._method = options.method or (
            "HEAD" if options.head else "POST" if self._body is not None else "GET"
        )
        self._url = _whole(url, options.body.decode() if options.get and options.body else "")
        self._first_host = urlsplit(self._url).hostname

    def run(self, write: Write) -> Answer:
        """Do it; `write` gets what curl puts out. Raises CurlError."""
        began = time.monotonic()
        answer = Answer(self._url)
        while True:
            self._request(answer, write)
            if not (self._options.location and answer.redirect):
                answer.seconds = time.monotonic() - began
                return answer
            if answer.redirects >= self._options.max_redirects:
                text = f"Maximum ({self._options.max_redirects}) redirects followed"
                raise CurlError(errors.TOO_MANY_REDIRECTS, text)
            answer.redirects += 1
            self._url = answer.redirect
            see_other = answer.status == 303 or (answer.status in (301, 302) and self._method == "POST")
            if see_other and not self._options.method and self._method != "HEAD":
                self._method, self._body = "GET", None

    def _request(self, answer: Answer, write: Write) -> None:
        parts = _split(self._url)
        began = time.monotonic()
        sock = self._connect(parts)
        answer.connect_seconds = time.monotonic() - began
        answer.url, answer.method, answer.redirect = self._url, self._method, ""
        answer.remote_ip, answer.remote_port = sock.getpeername()[:2]
        answer.local_ip = sock.getsockname()[0]
        connection = http.client.HTTPConnection(parts.hostname or "")
        connection.sock = sock
        try:
            self._send(connection, parts)
            with connection.getresponse() as response:
                self._receive(response, answer, write)
        except http.client.RemoteDisconnected:
            raise CurlError(errors.GOT_NOTHING, "Empty reply from server") from None
        except http.client.IncompleteRead as problem:
            text = f"transfer closed with {problem.expected or 0} bytes remaining to read"
            raise CurlError(18, text) from None
        except http.client.HTTPException:
            raise CurlError(errors.UNSUPPORTED_PROTOCOL, "Received HTTP/0.9 when not allowed") from None
        except OSError as problem:
            text = f"Recv failure: {problem.strerror or problem}"
            raise CurlError(errors.RECV_ERROR, text) from None
        finally:
            connection.close()
        self._say(f"Closing connection {answer.redirects}")

    def _send(self, connection: http.client.HTTPConnection, parts: SplitResult) -> None:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = self._headers(parts)
        connection.putrequest(self._method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        connection.endheaders(self._body)
        if self._options.verbose:
            shown = [
                f"{self._method} {target} HTTP/1.1",
                *(f"{name}: {value}" for name, value in headers),
                "",
            ]
            print(*(f"> {line}" for line in shown), sep="\n", file=sys.stderr)

    def _headers(self, parts: SplitResult) -> list[tuple[str, str]]:
        """Ours, with those of -H in place of or beside them; -H 'Name:' takes one away."""
        options = self._options
        host = parts.netloc.rpartition("@")[2]
        if parts.port == DEFAULT_PORTS[parts.scheme]:
            host = host.rpartition(":")[0]
        found = [("Host", host)]
        user = options.user or parts.netloc.rpartition("@")[0]
        if user and parts.hostname == self._first_host:
            found.append(("Authorization", "Basic " + base64.b64encode(user.encode()).decode()))
        elif options.bearer and parts.hostname == self._first_host:
            found.append(("Authorization", f"Bearer {options.bearer}"))
        found += [("User-Agent", options.agent or AGENT), ("Accept", "*/*")]
        if self._body is not None:
            found.append(("Content-Length", str(len(self._body))))
            found.append(("Content-Type", "application/x-www-form-urlencoded"))
        own = [
            (name.strip(), value.strip()) for name, _, value in (h.partition(":") for h in options.headers)
        ]
        named = {name.lower() for name, _ in own}
        return [*(item for item in found if item[0].lower() not in named), *(item for item in own if item[1])]

    def _receive(self, response: http.client.HTTPResponse, answer: Answer, write: Write) -> None:
        answer.status = response.status
        answer.content_type = response.headers.get("Content-Type", "")
        location = response.headers.get("Location")
        if location and response.status in REDIRECTIONS:
            answer.redirect = urljoin(self._url, location)
        version = "1.0" if response.version == 10 else "1.1"
        lines = [f"HTTP/{version} {response.status} {response.reason}"]
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        if self._options.verbose:
            print(*(f"< {line}" for line in [*lines, ""]), sep="\n", file=sys.stderr)
        if self._options.include or self._options.head:
            write(("\r\n".join(lines) + "\r\n\r\n").encode())
        if response.status >= 400 and self._options.fail:
            return
        wanted = not (self._options.location and answer.redirect)
        while data := response.read1(CHUNK_BYTES):
            if wanted:
                answer.size += len(data)
                write(data)

    def _connect(self, parts: SplitResult) -> socket.socket:
        host, port = parts.hostname or "", parts.port or DEFAULT_PORTS[parts.scheme]
        addresses = _addresses(self._options, host, port)
        began = time.monotonic()
        problem: OSError = OSError()
        for address in addresses:
            self._say(f"  Trying {address}:{port}...")
            try:
                sock = socket.create_connection((address, port), self._options.connect_timeout or None)
            except OSError as error:
                problem = error
                continue
            self._say(f"Connected to {host} ({address}) port {port} (#0)")
            return encrypted(self._options, sock, host) if parts.scheme == "https" else sock
        after = f"after {(time.monotonic() - began) * 1000:.0f} ms"
        if isinstance(problem, TimeoutError) and self._options.connect_timeout:
            text = f"Failed to connect to {host} port {port} {after}: Timeout was reached"
            raise CurlError(errors.OPERATION_TIMEDOUT, text)
        text = f"Failed to connect to {host} port {port} {after}: Couldn't connect to server"
        raise CurlError(errors.COULDNT_CONNECT, text)

    def _say(self, text: str) -> None:
        if self._options.verbose:
            print(f"* {text}", file=sys.stderr)


def _whole(url: str, query: str) -> str:
    """The URL with the parts that a user may leave out, and with what -G adds."""
    parts = urlsplit(url if "://" in url else f"http://{url}")
    queries = "&".join(filter(None, (parts.query, query)))
    return parts._replace(path=parts.path or "/", query=queries, fragment="").geturl()


def _split(url: str) -> SplitResult:
    parts = urlsplit(url)
    if parts.scheme not in DEFAULT_PORTS:
        text = f'Protocol "{parts.scheme}" not supported or disabled in libcurl'
        raise CurlError(errors.UNSUPPORTED_PROTOCOL, text)
    try:
        good = bool(parts.hostname) and parts.port != 0 and " " not in url
    except ValueError:
        good = False
    if not good:
        raise CurlError(errors.URL_MALFORMAT, "URL using bad/illegal format or missing URL")
    return parts


def _addresses(options: Options, host: str, port: int) -> list[str]:
    """Where to connect, by --resolve HOST:PORT:ADDRESS[,ADDRESS] or by the resolver."""
    for entry in options.resolve:
        name, number, found = [*entry.split(":", 2), "", ""][:3]
        if name in (host, "*") and number == str(port):
            return found.replace("[", "").replace("]", "").split(",")
    family = socket.AF_INET if options.ipv4 else socket.AF_UNSPEC
    try:
        infos = socket.getaddrinfo(host, port, family, socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError):
        raise CurlError(errors.COULDNT_RESOLVE_HOST, f"Could not resolve host: {host}") from None
    return list(dict.fromkeys(str(info[4][0]) for info in infos))
