"""What the handler chain has found out about a request, and the parts its handlers work with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from aiohttp import web

from podyard.apiserver.authn import Authenticator, ClientCertificate
from podyard.apiserver.authz import AllowAuthenticated, Authorizer
from podyard.apiserver.registry import User
from podyard.apiserver.requestinfo import RequestInfo
from podyard.apiserver.tokens.authority import TokenAuthority
from podyard.process.tls import TlsFiles

_USER = web.RequestKey("user", User)
_INFO = web.RequestKey("info", RequestInfo)
_WARNINGS = web.RequestKey("warnings", list[str])


@dataclass(frozen=True, slots=True)
class RestConfig:
    """How to serve REST.

    `kubelet_tls`: the identity to dial kubelets with; without it exec, attach and log answer 503.
    `ready`: why the server is not ready yet, "" when it is. `server_address`: "HOST:PORT" that
    discovery tells clients. `authenticators` are tried in order. `tokens`: the service
    account tokens; without them none is good.
    """

    server_address: str = "127.0.0.1:6443"
    kubelet_tls: TlsFiles | None = None
    ready: Callable[[], str] = lambda: ""
    authenticators: Sequence[Authenticator] = field(default_factory=lambda: (ClientCertificate(),))
    authorizer: Authorizer = field(default_factory=AllowAuthenticated)
    tokens: TokenAuthority | None = None


def set_user(request: web.Request, user: User) -> None:
    """Note who asks."""
    request[_USER] = user


def user_of(request: web.Request) -> User:
    """Who asks."""
    return request[_USER]


def set_info(request: web.Request, info: RequestInfo) -> None:
    """Note what is asked."""
    request[_INFO] = info


def info_of(request: web.Request) -> RequestInfo:
    """What is asked."""
    return request[_INFO]


def known_info(request: web.Request) -> RequestInfo | None:
    """What is asked, or None when the request did not come so far."""
    return request.get(_INFO)


def warnings_of(request: web.Request) -> list[str]:
    """The warnings for the user; whoever has one appends it before the answer begins."""
    if _WARNINGS not in request:
        request[_WARNINGS] = []
    return request[_WARNINGS]
