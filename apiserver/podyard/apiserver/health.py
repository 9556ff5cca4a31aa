"""Health, version and metrics: the paths that are about the server itself."""

from __future__ import annotations

import platform
import sys

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from podyard.api.version import GIT_VERSION, KUBERNETES_MAJOR, KUBERNETES_MINOR
from podyard.apiserver.answers import answer_object
from podyard.apiserver.context import RestConfig
from podyard.apiserver.handlers import Handler

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}


class HealthHandlers:
    """The handlers of /livez, /readyz, /healthz, /version and /metrics."""

    def __init__(self, config: RestConfig) -> None:
        self._ready = config.ready
        self.paths: dict[str, Handler] = {
            "/healthz": self.readyz,
            "/livez": self.livez,
            "/readyz": self.readyz,
            "/version": self.version,
            "/metrics": self.metrics,
        }

    async def livez(self, request: web.Request) -> web.StreamResponse:
        """The event loop turns."""
        return _health(request, "livez", {"ping": ""})

    async def readyz(self, request: web.Request) -> web.StreamResponse:
        """Requests can be served: 200 "ok", or 503 and why not."""
        return _health(request, request.path.strip("/"), {"ping": "", "storage": self._ready()})

    async def version(self, request: web.Request) -> web.StreamResponse:
        """What `kubectl version` shows."""
        return answer_object(request, version_info())

    async def metrics(self, request: web.Request) -> web.StreamResponse:
        """The process' metrics in Prometheus' text format."""
        return web.Response(body=generate_latest(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def _health(request: web.Request, name: str, checks: dict[str, str]) -> web.Response:
    """`ok`; or a line for each check (name → why it fails), when one does or `?verbose` asks for them."""
    failed = any(checks.values())
    if not failed and "verbose" not in request.query:
        return web.Response(text="ok")
    lines = [f"[-]{check} failed: {why}" if why else f"[+]{check} ok" for check, why in checks.items()]
    lines.append(f"{name} check {'failed' if failed else 'passed'}\n")
    return web.Response(status=503 if failed else 200, text="\n".join(lines))


def version_info() -> dict[str, str]:
    """k8s.io/apimachinery version.Info. `goVersion` and `compiler` name what really runs this."""
    return {
        "major": KUBERNETES_MAJOR,
        "minor": KUBERNETES_MINOR,
        "gitVersion": GIT_VERSION,
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": sys.implementation.name,
        "platform": f"{sys.platform}/{_MACHINES.get(platform.machine(), platform.machine())}",
    }
