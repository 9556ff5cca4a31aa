"""Tokens of the pods' ServiceAccounts, renewed in time (pkg/kubelet/token)."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

from podyard.api.errors import StatusError
from podyard.api.resources import SERVICEACCOUNTS
from podyard.api.times import from_rfc3339
from podyard.client.client import Client
from podyard.kubelet.volumes import TokenSpec, VolumeError
from podyard.process.clock import Clock

Object = dict[str, Any]

RENEW_AT = 0.8
"""The part of its lifetime after which a token is renewed."""
MAX_AGE_SECONDS = 24 * 3600.0
RETRY_SECONDS = 10.0

logger = logging.getLogger("kubelet")


@dataclass(frozen=True, slots=True)
class Token:
    """A token. Times are seconds since the epoch."""

    text: str
    renew_at: float
    expires_at: float


class Tokens:
    """Asks the apiserver for the tokens of pods, and remembers them while they are good."""

    def __init__(self, client: Client, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._known: dict[tuple[str, TokenSpec], Token] = {}

    async def get(self, pod: Object, wanted: TokenSpec) -> Token:
        """A token for the pod; ask again at its `renew_at`. Raises VolumeError."""
        key = (pod["metadata"]["uid"], wanted)
        now = self._clock.now()
        known = self._known.get(key)
        if known is not None and now < known.renew_at:
            return known
        try:
            fresh = await self._request(pod, wanted)
        except StatusError as error:
            if known is None or now >= known.expires_at:
                raise VolumeError(f"failed to fetch token: {error}") from None
            logger.warning("token of pod %s cannot be renewed yet: %s", pod["metadata"]["name"], error)
            fresh = Token(known.text, now + RETRY_SECONDS, known.expires_at)
        self._known[key] = fresh
        return fresh

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        for key in [key for key in self._known if key[0] == uid]:
            del self._known[key]

    async def _request(self, pod: Object, wanted: TokenSpec) -> Token:
        account = pod["spec"].get("serviceAccountName") or "default"
        asked_at = self._clock.now()
        answer = await self._client.create(
            SERVICEACCOUNTS,
            token_request(pod, wanted),
            pod["metadata"]["namespace"],
            name=account,
            subresource="token",
        )
        expires_at = from_rfc3339(answer["status"]["expirationTimestamp"])
        return Token(answer["status"]["token"], renewal(asked_at, expires_at), expires_at)


def token_request(pod: Object, wanted: TokenSpec) -> Object:
    """What is asked of the apiserver: the token is good only as long as this very pod is there."""
    metadata = pod["metadata"]
    return {
        "apiVersion": "authentication.k8s.io/v1",
        "kind": "TokenRequest",
        "spec": {
            "audiences": [wanted.audience] if wanted.audience else [],
            "expirationSeconds": wanted.expiration_seconds,
            "boundObjectRef": {
                "apiVersion": "v1",
                "kind": "Pod",
                "name": metadata["name"],
                "uid": metadata["uid"],
            },
        },
    }


def renewal(issued_at: float, expires_at: float) -> float:
    """When to renew a token: at 80 % of its lifetime, and after a day at the latest.

    Not at once, though, when it comes from a server whose clock is so slow that it has expired already.
    """
    return issued_at + max(min(RENEW_AT * (expires_at - issued_at), MAX_AGE_SECONDS), RETRY_SECONDS)
