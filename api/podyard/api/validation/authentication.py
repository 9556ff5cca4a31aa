"""Requests for tokens (pkg/apis/authentication/validation)."""

from __future__ import annotations

from podyard.api.validation.fields import Errors, Object, invalid

_LEAST_SECONDS = 600
_MOST_SECONDS = 1 << 32


def token_request(obj: Object) -> Errors:
    """A TokenRequest: a token lasts for ten minutes at least."""
    path, seconds = "spec.expirationSeconds", obj["spec"]["expirationSeconds"]
    if seconds < _LEAST_SECONDS:
        yield invalid(path, seconds, "may not specify a duration less than 10 minutes")
    if seconds > _MOST_SECONDS:
        yield invalid(path, seconds, "may not specify a duration larger than 2^32 seconds")
