"""Which streaming protocol a request asks for, over which transport. Wording as k8s.io/apimachinery."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from multidict import MultiMapping

from podyard.api.errors import bad_request, status_error

SPDY = "SPDY/3.1"
PROTOCOL_HEADER = "X-Stream-Protocol-Version"


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
    upgrade = headers.get("Upgrade", "").lower()
    if "upgrade" not in headers.get("Connection", "").lower():
        upgrade = ""
    if upgrade == SPDY.lower():
        offered = _listed(headers.getall(PROTOCOL_HEADER, []))
        if not offered:
            raise bad_request(f"unable to upgrade: {PROTOCOL_HEADER} is required")
        return Spoken("spdy", _first(offered, spdy))
    if upgrade == "websocket":
        offered = _listed(headers.getall("Sec-WebSocket-Protocol", [])) or [""]
        return Spoken("websocket", _first(offered, websocket))
    raise bad_request("Upgrade request required")


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
