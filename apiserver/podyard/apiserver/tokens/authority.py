"""Issues service account tokens and recognises them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from podyard.apiserver.registry import Object, User
from podyard.apiserver.registry.strategies import Objects
from podyard.apiserver.tokens.claims import Bound, check_objects, check_times, make_claims
from podyard.apiserver.tokens.jws import PublicKey, SigningKey, Token, TokenError
from podyard.process.clock import Clock

INVALID = "invalid bearer token"
"""What is said about a token that is none, or another issuer's."""


@dataclass(frozen=True, slots=True)
class Keys:
    """`signing` makes new tokens; `verifying` are all that are good for existing ones."""

    signing: SigningKey
    verifying: tuple[PublicKey, ...]


@dataclass(frozen=True, slots=True)
class Recognised:
    """Who a token is, and for which of the audiences asked about it is meant."""

    user: User
    audiences: tuple[str, ...]


class TokenAuthority:
    """One for each apiserver. `audiences` are this apiserver's own names."""

    def __init__(
        self, keys: Keys, issuer: str, audiences: Sequence[str], objects: Objects, clock: Clock
    ) -> None:
        self.issuer = issuer
        self.audiences = tuple(audiences)
        self._keys = keys
        self._objects = objects
        self._clock = clock

    def issue(
        self, account: Object, bound: Bound, audiences: Sequence[str], seconds: int, warn_after: int = 0
    ) -> str:
        """A token for a ServiceAccount that is good for `seconds`.

        `warn_after` (0: never) is the number of seconds after which its bearer should have asked for
        a new one.
        """
        now = self._clock.now()
        return self._keys.signing.sign(
            make_claims(
                account,
                bound,
                issuer=self.issuer,
                audiences=audiences,
                now=now,
                expires=now + seconds,
                token_id=str(uuid.uuid4()),
                warn_after=now + warn_after if warn_after else 0,
            )
        )

    def recognise(self, text: str, audiences: Sequence[str] = ()) -> Recognised:
        """The user of a token that is meant for one of `audiences` (this apiserver's when there are none).

        Raises TokenError, which says why not.
        """
        try:
            token = Token(text)
        except TokenError:
            raise TokenError(INVALID) from None
        claims = token.claims
        if claims.get("iss") != self.issuer:
            raise TokenError(INVALID)
        if not token.is_signed_by(list(self._keys.verifying)):
            raise _refused("failed to verify signature")
        now = self._clock.now()
        try:
            mine = _common_audiences(claims.get("aud"), audiences or self.audiences)
            check_times(claims, now)
            return Recognised(check_objects(claims, self._objects, now), mine)
        except TokenError as error:
            raise _refused(str(error)) from None

    def to_jwks(self) -> dict[str, Any]:
        """The keys for others who verify tokens (RFC 7517)."""
        return {"keys": [key.to_jwk() for key in self._keys.verifying]}


def _refused(why: str) -> TokenError:
    return TokenError(f"[{INVALID}, {why}]")


def _common_audiences(given: object, wanted: Sequence[str]) -> tuple[str, ...]:
    theirs = [given] if isinstance(given, str) else given if isinstance(given, list) else []
    common = tuple(audience for audience in theirs if audience in wanted)
    if not common:
        raise TokenError(f"token audiences {_go(theirs)} is invalid for the target audiences {_go(wanted)}")
    return common


def _go(texts: Sequence[str]) -> str:
    return "[" + " ".join(f'"{text}"' for text in texts) + "]"
