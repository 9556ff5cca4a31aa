"""What the handler chain has found out about a request, and the parts its handlers work with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aiohttp import web

from podyard.apiserver.authn import Authenticator, ClientCertificate
from podyard.apiserver.authz import AllowAuthenticated, Authorizer
from podyard.apiserver.registry import User
from podyard.apiserver.requestinfo import RequestInfo
from podyard.process.tls import TlsFiles

_USER = "podyard-user"
_INFO = "podyard-info"
_WARNINGS = "podyard-warnings"


@dataclass(frozen=True, slots=True)
class RestConfig:
    """How to serve REST.

    `kubelet_tls`: the identity to dial kubelets with; without it exec, attach and log answer 503.
    `ready`: why the server is not ready yet, "" when it is. `server_address`: "HOST:PORT" that
    discovery tells clients.
    """

    server_address: str = "127.0.0.1:6443"
    kubelet_tls: TlsFiles | None = None
    ready: Callable[[], str] = lambda: ""
    authenticators: Sequence[Authenticator] = field(default_factory=lambda: (ClientCertificate(),))
    authorizer: Authorizer = field(default_factory=AllowAuthenticated)


def set_user(request: web.Request, user: User) -> None:
    """Note who asks."""
    request[_USER] = user


def user_of(request: web.Request) -> User:
    """Who asks."""
    user: User = request[_USER]
    return user


def set_info(request: web.Request, info: RequestInfo) -> None:
    """Note what is asked."""
    request[_INFO] = info


def info_of(request: web.Request) -> RequestInfo:
    """What is asked."""
    info: RequestInfo = request[_INFO]
    return info


def warnings_of(request: web.Request) -> list[str]:
    """The warnings for the user; whoever has one appends it before the answer begins."""
    warnings: list[str] = request.setdefault(_WARNINGS, [])
    return warnings
