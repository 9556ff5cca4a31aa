"""Which streaming protocol a request asks for, over which transport. Wording as k8s.io/apimachinery."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from multidict import MultiMapping

from podyard.api.errors import bad_request, status_error

SPDY = "SPDY/3.1"
PROTOCOL_HEADER = "X-Stream-Protocol-Version"
WEBSOCKET_HEADER = "Sec-WebSocket-Protocol"
BEARER_PREFIX = "base64url.bearer.authorization.k8s.io."
"""Of a sub-protocol that is none, but the client's token: scripts in browsers can set no other header."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """What is going to be spoken."""

    transport: Literal["spdy", "websocket"]
    protocol: str

    @property
    def spdy_headers(self) -> dict[str, str]:
        """The headers of the answer 101, for SPDY."""
        return {"Connection": "Upgrade", "Upgrade": SPDY, PROTOCOL_HEADER: self.protocol}


def negotiate_stream(headers: MultiMapping[str], *, spdy: Sequence[str], websocket: Sequence[str]) -> Spoken:
    """Choose the first protocol of the client's list that is spoken here. Raises StatusError 400 or 403."""
    upgrade = upgrade_of(headers).lower()
    if upgrade == SPDY.lower():
        offered = _listed(headers.getall(PROTOCOL_HEADER, []))
        if not offered:
            raise bad_request(f"unable to upgrade: {PROTOCOL_HEADER} is required")
        return Spoken("spdy", _first(offered, spdy))
    if upgrade == "websocket":
        return Spoken("websocket", _first(websocket_protocols(headers) or [""], websocket))
    raise bad_request("Upgrade request required")


def upgrade_of(headers: MultiMapping[str]) -> str:
    """What the client wants to speak after its request, as it writes it; "" for HTTP as before."""
    if "upgrade" not in headers.get("Connection", "").lower():
        return ""
    return headers.get("Upgrade", "")


def websocket_protocols(headers: MultiMapping[str]) -> list[str]:
    """The sub-protocols that the client of a WebSocket speaks."""
    offered = _listed(headers.getall(WEBSOCKET_HEADER, []))
    return [name for name in offered if not name.startswith(BEARER_PREFIX)]


def websocket_token(headers: MultiMapping[str]) -> str:
    """The bearer token among the sub-protocols of a WebSocket, "" without one that can be read.

    Source: k8s.io/apiserver/pkg/authentication/request/websocket.
    """
    for name in _listed(headers.getall(WEBSOCKET_HEADER, [])):
        if name.startswith(BEARER_PREFIX) and upgrade_of(headers).lower() == "websocket":
            encoded = name.removeprefix(BEARER_PREFIX)
            try:
                return base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4)).decode()
            except ValueError:
                return ""
    return ""


def _listed(values: Sequence[str]) -> list[str]:
    return [name.strip() for value in values for name in value.split(",") if name.strip()]


def _first(offered: Sequence[str], spoken: Sequence[str]) -> str:
    for name in offered:
        if name in spoken:
            return name
    message = (
        "unable to upgrade: unable to negotiate protocol: "
        f"client supports [{' '.join(offered)}], server accepts [{' '.join(filter(None, spoken))}]"
    )
    raise status_error(403, "Forbidden", message)
