"""httpGet probes: a GET answered with a status from 200 to 399 (pkg/probe/http)."""

from __future__ import annotations

import asyncio
import ssl
from dataclasses import dataclass
from urllib.parse import urljoin, urlsplit

from podyard.api.version import KUBERNETES_MAJOR, KUBERNETES_MINOR
from podyard.kubelet.probes import MAX_OUTPUT_BYTES, ProbeResult
from podyard.kubelet.probes.tcp import dial_error

USER_AGENT = f"kube-probe/{KUBERNETES_MAJOR}.{KUBERNETES_MINOR}"
MAX_REDIRECTS = 10


@dataclass(frozen=True, slots=True)
class HttpReply:
    """An answer's status, the target of its redirect, and the beginning of its body."""

    status: int
    location: str
    body: bytes


class HttpError(Exception):
    """No answer that can be understood."""


async def probe_http(url: str, headers: list[tuple[str, str]], timeout: float) -> ProbeResult:
    """GET `url`, following redirects to the same host; one to elsewhere counts as a success.

    Certificates are not checked. `headers` come from the probe and replace the defaults.
    """
    target = url
    try:
        async with asyncio.timeout(timeout):
            for _ in range(MAX_REDIRECTS):
                reply = await http_get(target, headers)
                if not (300 <= reply.status < 400 and reply.location):
                    break
                following = urljoin(target, reply.location)
                if urlsplit(following).hostname != urlsplit(url).hostname:
                    body = reply.body.decode(errors="replace")
                    return ProbeResult("warning", f"Probe terminated redirects, Response body: {body}")
                target = following
            else:
                return ProbeResult("failure", f'Get "{target}": stopped after {MAX_REDIRECTS} redirects')
    except TimeoutError:
        why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
        return ProbeResult("failure", f'Get "{target}": {why}')
    except OSError as error:
        parts = urlsplit(target)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return ProbeResult("failure", f'Get "{target}": {dial_error(parts.hostname or "", port, error)}')
    except (HttpError, ValueError) as error:
        return ProbeResult("failure", f'Get "{target}": {error}')
    if 200 <= reply.status < 400:
        return ProbeResult("success", reply.body.decode(errors="replace"))
    return ProbeResult("failure", f"HTTP probe failed with statuscode: {reply.status}")


async def http_get(url: str, headers: list[tuple[str, str]]) -> HttpReply:
    """One GET over a connection of its own. Raises OSError, HttpError, or ValueError (no URL)."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    secure = parts.scheme == "https"
    reader, writer = await asyncio.open_connection(
        host, parts.port or (443 if secure else 80), ssl=_unverified() if secure else None
    )
    try:
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        writer.write(_request(target, parts.netloc, headers))
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status_line, *lines = head.split("\r\n")
        fields = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
        }
        words = status_line.split(" ", 2)
        if len(words) < 2 or not words[0].startswith("HTTP/") or not words[1].isdigit():
            raise HttpError(
                f'net/http: HTTP/1.x transport connection broken: malformed HTTP response "{status_line}"'
            )
        body = await _body(reader, fields)
        return HttpReply(int(words[1]), fields.get("location", ""), body)
    except asyncio.IncompleteReadError:
        raise HttpError("EOF") from None
    except asyncio.LimitOverrunError:
        raise HttpError("net/http: server response headers exceeded the limit") from None
    finally:
        writer.close()


async def _body(reader: asyncio.StreamReader, fields: dict[str, str]) -> bytes:
    length = fields.get("content-length", "")
    wanted = min(int(length), MAX_OUTPUT_BYTES) if length.isdigit() else MAX_OUTPUT_BYTES
    body = b""
    while len(body) < wanted and (piece := await reader.read(wanted - len(body))):
        body += piece
    return body


def _request(target: str, host: str, headers: list[tuple[str, str]]) -> bytes:
    """The request's bytes. A header that is given with no value is left out, as net/http does."""
    given = {name.lower(): (name, value) for name, value in headers}
    defaults = {"host": ("Host", host), "user-agent": ("User-Agent", USER_AGENT), "accept": ("Accept", "*/*")}
    lines = [f"{name}: {value}" for name, value in (defaults | given).values() if value]
    return "\r\n".join([f"GET {target} HTTP/1.1", *lines, "Connection: close", "", ""]).encode(
        "latin-1", "replace"
    )


def _unverified() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context
