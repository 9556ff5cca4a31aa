"""Bootstrap tokens as the `podyard token` command makes, reads and shows them."""

from __future__ import annotations

import base64
import re

import pytest

from podyard.api.times import to_rfc3339
from podyard.apiserver.tokens.bootstrap import is_bootstrap_token
from podyard.cli.commands.token import _row
from podyard.cli.joining.tokens import (
    check,
    generate,
    make_secret,
    parse_duration,
    read_secret,
    token_id,
)
from podyard.process.main import UserError

NOW = 1_700_000_000.0
TOKEN = "abcdef.0123456789abcdef"


def stored(**changes: str) -> dict[str, object]:
    secret = make_secret(TOKEN, seconds=3600, description="mine", now=NOW)
    plain = {**secret.pop("stringData"), **changes}
    return {**secret, "data": {k: base64.b64encode(v.encode()).decode() for k, v in plain.items()}}


def test_a_new_token_has_the_form_of_one() -> None:
    made = {generate() for _ in range(50)}
    assert len(made) == 50
    assert all(is_bootstrap_token(token) and check(token) == token for token in made)


@pytest.mark.parametrize(
    "text", ["", "abcdef", "abcdef.0123456789abcde", "ABCDEF.0123456789abcdef", f"{TOKEN} "]
)
def test_what_is_none(text: str) -> None:
    with pytest.raises(UserError, match=re.escape("six, a dot and sixteen small letters and digits")):
        check(text)


def test_the_public_part() -> None:
    assert token_id(TOKEN) == token_id("abcdef") == "abcdef"
    with pytest.raises(UserError):
        token_id("abc")


def test_a_token_and_its_secret() -> None:
    secret = make_secret(TOKEN, seconds=3600, description="mine", now=NOW)
    assert secret["metadata"] == {"namespace": "kube-system", "name": "bootstrap-token-abcdef"}
    assert secret["type"] == "bootstrap.kubernetes.io/token"
    token = read_secret(stored())
    assert (token.text, token.expires, token.usages) == (TOKEN, NOW + 3600, ("authentication",))
    assert (token.description, token.groups) == ("mine", "system:bootstrappers:podyard:default-node-token")
    for_ever = make_secret(TOKEN, seconds=0, description="", now=NOW)["stringData"]
    assert not {"expiration", "description"} & for_ever.keys()


@pytest.mark.parametrize(
    ("expiration", "ttl", "expires"),
    [
        (to_rfc3339(NOW + 7200), "120m", to_rfc3339(NOW + 7200)),
        (to_rfc3339(NOW - 1), "<invalid>", to_rfc3339(NOW - 1)),
        ("", "<forever>", "<never>"),
        ("nonsense", "<invalid>", "1970-01-01T00:00:00Z"),
    ],
)
def test_a_line_of_the_list(expiration: str, ttl: str, expires: str) -> None:
    row = _row(read_secret(stored(expiration=expiration)), NOW)
    assert row[:5] == (TOKEN, ttl, expires, "authentication", "mine")


@pytest.mark.parametrize(
    ("text", "seconds"), [("24h", 86400), ("1h30m", 5400), ("2s", 2), ("0", 0), ("1.5h", 5400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["", "24", "h", "1d", "-1h", "1h x"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        parse_duration(text)
