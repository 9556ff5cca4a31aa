"""Service account tokens: signature, claims, and what makes one good."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from podyard.apiserver.registry import Object
from podyard.apiserver.tokens.authority import Keys, TokenAuthority
from podyard.apiserver.tokens.claims import Bound, groups_of_user
from podyard.apiserver.tokens.jws import (
    PublicKey,
    SigningKey,
    Token,
    TokenError,
    decode,
    encode,
    load_public_key,
    load_signing_key,
)
from podyard.process.clock import FakeClock

ISSUER = "https://kubernetes.default.svc.cluster.local"
KEY = SigningKey(ec.generate_private_key(ec.SECP256R1()))
OTHER_KEY = SigningKey(ec.generate_private_key(ec.SECP256R1()))

# RFC 7515, appendix A.3.
RFC_TOKEN = (
    "eyJhbGciOiJFUzI1NiJ9"
    ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
    ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q"
)
RFC_X = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
RFC_Y = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"


def named(name: str, uid: str, **more: Any) -> Object:
    return {"metadata": {"name": name, "namespace": "ns", "uid": uid, **more}}


class Objects:
    """What there is; a test takes things away."""

    def __init__(self) -> None:
        self.there = {
            ("serviceaccounts", "robot"): named("robot", "u-robot"),
            ("pods", "pod"): named("pod", "u-pod"),
            ("secrets", "secret"): named("secret", "u-secret"),
            ("nodes", "node1"): named("node1", "u-node"),
        }

    def lookup(self, group_resource: str, namespace: str, name: str) -> Object | None:
        return self.there.get((group_resource, name))

    def objects(self, group_resource: str, namespace: str = "") -> Iterator[Object]:
        return iter(())


def authority(objects: Objects, clock: FakeClock, *verifying: PublicKey) -> TokenAuthority:
    return TokenAuthority(Keys(KEY, verifying or (KEY.public,)), ISSUER, (ISSUER, "api"), objects, clock)


def test_the_example_of_the_standard() -> None:
    x, y = (int.from_bytes(decode(text), "big") for text in (RFC_X, RFC_Y))
    key = PublicKey(ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key())
    token = Token(RFC_TOKEN)
    assert token.is_signed_by([key])
    assert token.claims["iss"] == "joe"
    jwk = key.to_jwk()
    assert (jwk["x"], jwk["y"], jwk["crv"], jwk["kty"]) == (RFC_X, RFC_Y, "P-256", "EC")
    assert not Token(RFC_TOKEN.replace("MTkzODAs", "MTkzODEs")).is_signed_by([key])
    assert not token.is_signed_by([KEY.public])


def test_what_is_signed_is_verified() -> None:
    text = KEY.sign({"a": 1})
    assert Token(text).claims == {"a": 1}
    assert Token(text).is_signed_by([OTHER_KEY.public, KEY.public])
    header, claims, signature = text.split(".")
    none = encode(orjson.dumps({"alg": "none", "kid": KEY.public.key_id}))
    for forged in (
        f"{none}.{claims}.{signature}",
        f"{none}.{claims}.",
        f"{header}.{encode(b'{}')}.{signature}",
        f"{header}.{claims}.{encode(bytes(64))}",
        f"{header}.{claims}.{signature[:-4]}",
    ):
        assert not Token(forged).is_signed_by([KEY.public])


@pytest.mark.parametrize(
    "text", ["", "abc", "a.b.c", "..", "e30.W10.e30", "e30.eyJ9.e30", "ü.ü.ü", "e30=.e30.e30"]
)
def test_what_is_no_token(text: str) -> None:
    with pytest.raises(TokenError):
        Token(text)


def test_signing_is_fast() -> None:
    def seconds() -> float:
        """Of this thread alone, whatever else the machine has to do."""
        started = time.thread_time()
        KEY.sign({"a": 1})
        return time.thread_time() - started

    assert min(seconds() for _ in range(20)) < 0.005


def test_a_token_says_who_and_what_for() -> None:
    objects, clock = Objects(), FakeClock()
    issuer = authority(objects, clock)
    bound = Bound(pod=objects.there["pods", "pod"], node=objects.there["nodes", "node1"])
    text = issuer.issue(objects.there["serviceaccounts", "robot"], bound, ["api", "vault"], 3600, 600)
    claims = Token(text).claims
    now = int(clock.now())
    assert claims.pop("jti")
    assert claims == {
        "aud": ["api", "vault"],
        "exp": now + 3600,
        "iat": now,
        "nbf": now,
        "iss": ISSUER,
        "sub": "system:serviceaccount:ns:robot",
        "kubernetes.io": {
            "namespace": "ns",
            "serviceaccount": {"name": "robot", "uid": "u-robot"},
            "pod": {"name": "pod", "uid": "u-pod"},
            "node": {"name": "node1", "uid": "u-node"},
            "warnafter": now + 600,
        },
    }
    found = issuer.recognise(text)
    assert found.audiences == ("api",)
    assert (found.user.name, found.user.uid) == ("system:serviceaccount:ns:robot", "u-robot")
    assert found.user.groups == (
        "system:serviceaccounts",
        "system:serviceaccounts:ns",
        "system:authenticated",
    )
    extra = dict(found.user.extra)
    assert extra.pop("authentication.kubernetes.io/credential-id")[0].startswith("JTI=")
    assert extra == {
        "authentication.kubernetes.io/pod-name": ("pod",),
        "authentication.kubernetes.io/pod-uid": ("u-pod",),
        "authentication.kubernetes.io/node-name": ("node1",),
        "authentication.kubernetes.io/node-uid": ("u-node",),
    }
    assert issuer.recognise(text, ["vault"]).audiences == ("vault",)


def gone(key: tuple[str, str]) -> Callable[[Objects, FakeClock], None]:
    def change(objects: Objects, clock: FakeClock) -> None:
        del objects.there[key]

    return change


def replaced(key: tuple[str, str]) -> Callable[[Objects, FakeClock], None]:
    return lambda objects, clock: objects.there.update({key: named(key[1], "u-another")})


def deleted_long_ago(key: tuple[str, str]) -> Callable[[Objects, FakeClock], None]:
    def change(objects: Objects, clock: FakeClock) -> None:
        objects.there[key]["metadata"]["deletionTimestamp"] = "1970-01-01T00:00:00Z"

    return change


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda objects, clock: clock.advance(3600 + 61), "service account token has expired"),
        (lambda objects, clock: clock.advance(-61), "service account token is not valid yet"),
        (gone(("serviceaccounts", "robot")), 'serviceaccounts "robot" not found'),
        (
            replaced(("serviceaccounts", "robot")),
            "service account UID (u-another) does not match claim (u-robot)",
        ),
        (deleted_long_ago(("serviceaccounts", "robot")), "service account ns/robot has been deleted"),
        (gone(("pods", "pod")), "service account token has been invalidated"),
        (replaced(("pods", "pod")), "pod UID (u-another) does not match claim (u-pod)"),
        (deleted_long_ago(("pods", "pod")), "pod ns/pod has been deleted"),
    ],
)
def test_a_token_ends(change: Callable[[Objects, FakeClock], None], why: str) -> None:
    objects, clock = Objects(), FakeClock()
    clock.advance(1000)
    issuer = authority(objects, clock)
    bound = Bound(pod=objects.there["pods", "pod"])
    text = issuer.issue(objects.there["serviceaccounts", "robot"], bound, [ISSUER], 3600)
    issuer.recognise(text)
    change(objects, clock)
    with pytest.raises(TokenError) as refused:
        issuer.recognise(text)
    assert str(refused.value) == f"[invalid bearer token, {why}]"


@pytest.mark.parametrize(
    ("bound", "key", "ends"),
    [
        ("secret", ("secrets", "secret"), True),
        ("node", ("nodes", "node1"), True),
        ("secret", ("nodes", "node1"), False),
    ],
)
def test_a_token_ends_with_what_it_is_bound_to(bound: str, key: tuple[str, str], ends: bool) -> None:
    objects, clock = Objects(), FakeClock()
    issuer = authority(objects, clock)
    what = objects.there[{"secret": ("secrets", "secret"), "node": ("nodes", "node1")}[bound]]
    text = issuer.issue(objects.there["serviceaccounts", "robot"], Bound(**{bound: what}), [ISSUER], 3600)
    del objects.there[key]
    if ends:
        with pytest.raises(TokenError):
            issuer.recognise(text)
    else:
        issuer.recognise(text)


def test_a_pods_token_outlives_the_node_object() -> None:
    objects, clock = Objects(), FakeClock()
    issuer = authority(objects, clock)
    bound = Bound(pod=objects.there["pods", "pod"], node={"metadata": {"name": "away"}})
    text = issuer.issue(objects.there["serviceaccounts", "robot"], bound, [ISSUER], 3600)
    extra = issuer.recognise(text).user.extra
    assert extra["authentication.kubernetes.io/node-name"] == ("away",)
    assert "authentication.kubernetes.io/node-uid" not in extra


def test_who_is_not_meant_is_told() -> None:
    objects, clock = Objects(), FakeClock()
    issuer = authority(objects, clock)
    text = issuer.issue(objects.there["serviceaccounts", "robot"], Bound(), ["vault"], 3600)
    with pytest.raises(TokenError) as refused:
        issuer.recognise(text)
    why = f'token audiences ["vault"] is invalid for the target audiences ["{ISSUER}" "api"]'
    assert str(refused.value) == f"[invalid bearer token, {why}]"


def test_keys_can_be_replaced() -> None:
    objects, clock = Objects(), FakeClock()
    account = objects.there["serviceaccounts", "robot"]
    old = TokenAuthority(Keys(OTHER_KEY, (OTHER_KEY.public,)), ISSUER, (ISSUER,), objects, clock)
    text = old.issue(account, Bound(), [ISSUER], 3600)
    authority(objects, clock, KEY.public, OTHER_KEY.public).recognise(text)
    with pytest.raises(TokenError, match="failed to verify signature"):
        authority(objects, clock).recognise(text)
    stranger = TokenAuthority(Keys(KEY, (KEY.public,)), "https://elsewhere", (ISSUER,), objects, clock)
    with pytest.raises(TokenError, match=r"^invalid bearer token$"):
        authority(objects, clock).recognise(stranger.issue(account, Bound(), [ISSUER], 3600))


def test_key_files(tmp_path: Path) -> None:
    private, public, wrong = tmp_path / "sa.key", tmp_path / "sa.pub", tmp_path / "rsa.key"
    key = ec.generate_private_key(ec.SECP256R1())
    pem = (
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    private.write_bytes(key.private_bytes(*pem))
    public.write_bytes(key.public_key().public_bytes(pem[0], serialization.PublicFormat.SubjectPublicKeyInfo))
    signing = load_signing_key(private)
    assert load_public_key(public).key_id == load_public_key(private).key_id == signing.public.key_id
    wrong.write_bytes(rsa.generate_private_key(65537, 2048).private_bytes(*pem))
    with pytest.raises(ValueError, match="not an ECDSA P-256 private key"):
        load_signing_key(wrong)
    with pytest.raises(ValueError, match="Unable to load PEM"):
        load_public_key(tmp_path / "sa.pub2" if (tmp_path / "sa.pub2").write_text("x") else wrong)


@pytest.mark.parametrize(
    ("user", "groups"),
    [
        ("system:serviceaccount:ns:robot", ("system:serviceaccounts", "system:serviceaccounts:ns")),
        ("system:serviceaccount:ns", ()),
        ("alice", ()),
    ],
)
def test_groups_of_a_user(user: str, groups: tuple[str, ...]) -> None:
    assert groups_of_user(user) == groups
