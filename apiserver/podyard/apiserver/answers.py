"""Answers in the forms that Kubernetes clients take."""

from __future__ import annotations

from typing import Any

import orjson
import yaml
from aiohttp import web

from podyard.api.errors import StatusError
from podyard.apiserver.negotiate import Accepted

_PRETTY_AGENTS = ("curl/", "Wget/", "Mozilla/")


def content_type(accepted: Accepted) -> str:
    """The Content-Type of an answer in that form."""
    if accepted.shape == "discovery":
        return f"application/json;g=apidiscovery.k8s.io;v={accepted.version};as=APIGroupDiscoveryList"
    return "application/yaml" if accepted.encoding == "yaml" else "application/json"


def answer_bytes(
    request: web.Request, data: bytes, *, status: int = 200, accepted: Accepted | None = None
) -> web.Response:
    """Answer with encoded JSON: as it is, indented for people, or turned into YAML."""
    accepted = accepted or Accepted()
    if accepted.encoding == "yaml":
        data = yaml.dump(orjson.loads(data), Dumper=yaml.CSafeDumper, sort_keys=False).encode()
    elif wants_pretty(request):
        data = orjson.dumps(orjson.loads(data), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    return web.Response(body=data, status=status, headers={"Content-Type": content_type(accepted)})


def answer_object(
    request: web.Request, obj: Any, *, status: int = 200, accepted: Accepted | None = None
) -> web.Response:
    """Answer with a decoded object."""
    return answer_bytes(request, orjson.dumps(obj), status=status, accepted=accepted)


def answer_status(request: web.Request, error: StatusError) -> web.Response:
    """Answer with a refusal."""
    response = answer_object(request, error.status, status=error.code)
    if retry := error.status.get("details", {}).get("retryAfterSeconds"):
        response.headers["Retry-After"] = str(retry)
    return response


def wants_pretty(request: web.Request) -> bool:
    """True when `pretty` asks for it, or nothing forbids it and the client is one that people read."""
    pretty = request.query.get("pretty")
    if pretty is not None:
        return pretty not in ("false", "0")
    return request.headers.get("User-Agent", "").startswith(_PRETTY_AGENTS)


def warning_header(text: str) -> str:
    """One value of the Warning header (RFC 7234 5.5, code 299), as k8s.io/apimachinery writes it."""
    printable = "".join(c if c >= " " else " " for c in text)
    escaped = printable.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{escaped}"'
