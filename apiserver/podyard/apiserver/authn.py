"""Who is asking: authenticators, tried in order."""

from __future__ import annotations

import logging
import ssl
import time
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, Protocol

from aiohttp import web

from podyard.api.errors import unauthorized
from podyard.apiserver.connect.negotiation import websocket_token
from podyard.apiserver.registry import User
from podyard.apiserver.registry.strategies import Objects
from podyard.apiserver.tokens.authority import TokenAuthority
from podyard.apiserver.tokens.bootstrap import is_bootstrap_token, recognise
from podyard.apiserver.tokens.claims import AUTHENTICATED
from podyard.apiserver.tokens.jws import TokenError
from podyard.process.clock import Clock

log = logging.getLogger(__name__)


class Authenticator(Protocol):
    """One way to tell who sends a request."""

    def authenticate(self, request: web.Request) -> User | None:
        """The user, or None when the request carries nothing of this kind.

        Raises StatusError 401 when it carries something of this kind that is not good.
        """


class ClientCertificate:
    """The user of the TLS client certificate that the server verified against its client CA.

    The common name is the user and each organisation a group (Kubernetes' x509 authenticator).
    """

    def authenticate(self, request: web.Request) -> User | None:
        """The user of the certificate, or None without one. StatusError 401 when it has ended."""
        transport = request.transport
        certificate = transport.get_extra_info("peercert") if transport is not None else None
        if not certificate:
            return None
        if _seconds(certificate["notAfter"]) < time.time():  # it ended after the connection was made
            raise unauthorized()
        return user_of_subject(certificate["subject"])


class BearerToken:
    """The ServiceAccount whose token is in the Authorization header (RFC 6750)."""

    def __init__(self, authority: TokenAuthority) -> None:
        self._authority = authority

    def authenticate(self, request: web.Request) -> User | None:
        """The token's user, or None without one. StatusError 401 for one that is not good."""
        token = _bearer(request)
        if not token:
            return None
        try:
            return self._authority.recognise(token).user
        except TokenError as error:
            log.info("unable to authenticate the request: %s", error)
            raise unauthorized() from None


class BootstrapToken:
    """Whoever has the bootstrap token that is in the Authorization header: a host that is to join."""

    def __init__(self, objects: Objects, clock: Clock) -> None:
        self._objects = objects
        self._clock = clock

    def authenticate(self, request: web.Request) -> User | None:
        """The token's user, or None for other tokens. StatusError 401 for one that is not good."""
        token = _bearer(request)
        if not is_bootstrap_token(token):
            return None
        try:
            return recognise(token, self._objects, self._clock.now())
        except TokenError as error:
            log.info("unable to authenticate the request: %s", error)
            raise unauthorized() from None


_seconds = lru_cache(maxsize=1024)(ssl.cert_time_to_seconds)


def _bearer(request: web.Request) -> str:
    """The token in the Authorization header (RFC 6750) or a WebSocket's sub-protocols, "" without one."""
    scheme, _, token = request.headers.get("Authorization", "").strip().partition(" ")
    return token.strip() if scheme.lower() == "bearer" else websocket_token(request.headers)


@lru_cache(maxsize=1024)
def user_of_subject(subject: tuple[tuple[tuple[str, str], ...], ...]) -> User | None:
    """The user that a certificate's subject names, or None when it does not name one.

    `subject` is in the form of `ssl.SSLSocket.getpeercert()`.
    """
    pairs = [pair for relative_name in subject for pair in relative_name]
    names = [value for key, value in pairs if key == "commonName"]
    return user_of_names(names, [value for key, value in pairs if key == "organizationName"])


def user_of_names(common_names: Sequence[str], organizations: Sequence[str]) -> User | None:
    """The user and groups that a certificate names, or None without exactly one common name.

    Of several, each reader (Go takes the last) might take another: they are nobody.
    """
    if len(common_names) != 1:
        return None
    return User(name=common_names[0], groups=(*organizations, AUTHENTICATED))


def authenticate(authenticators: Sequence[Authenticator], request: web.Request) -> User | None:
    """The user that the first authenticator recognises, or None."""
    for authenticator in authenticators:
        if (user := authenticator.authenticate(request)) is not None:
            return user
    return None


def server_tls(certificate: Path, key: Path, client_ca: Path) -> ssl.SSLContext:
    """TLS that serves with `certificate` and verifies a client certificate where one is offered."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(client_ca))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_mode = ssl.CERT_OPTIONAL
    context.load_cert_chain(str(certificate), str(key))
    context.set_alpn_protocols(["http/1.1"])
    return context


def user_info(user: User) -> dict[str, Any]:
    """The user as authentication.k8s.io/v1 UserInfo."""
    info: dict[str, Any] = {"username": user.name, "groups": list(user.groups)}
    if user.uid:
        info["uid"] = user.uid
    if user.extra:
        info["extra"] = {key: list(values) for key, values in dict(user.extra).items()}
    return info
