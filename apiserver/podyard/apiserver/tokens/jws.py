"""Signed tokens in the compact form: ES256 JWS (RFC 7515, RFC 7518 section 3.4) and its keys (RFC 7517)."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import Any

import orjson
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

ALGORITHM = "ES256"

_HALF = 32
"""Bytes of each of the signature's two numbers, and of each of a point's, on P-256."""

_ES256 = ec.ECDSA(hashes.SHA256())


class TokenError(Exception):
    """A token that is not good; the text says why, as Kubernetes does."""


class PublicKey:
    """A key that verifies. `key_id` is the hash of the key, as kube-apiserver names its keys."""

    def __init__(self, key: ec.EllipticCurvePublicKey) -> None:
        self._key = key
        der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
        self.key_id = encode(hashlib.sha256(der).digest())

    def verifies(self, message: bytes, signature: bytes) -> bool:
        """Whether this key's private half has signed `message`."""
        if len(signature) != 2 * _HALF:
            return False
        numbers = (int.from_bytes(half, "big") for half in (signature[:_HALF], signature[_HALF:]))
        try:
            self._key.verify(encode_dss_signature(*numbers), message, _ES256)
        except InvalidSignature:
            return False
        return True

    def to_jwk(self) -> dict[str, str]:
        """The key for others who verify."""
        point = self._key.public_numbers()
        return {
            "use": "sig",
            "kty": "EC",
            "kid": self.key_id,
            "crv": "P-256",
            "alg": ALGORITHM,
            "x": encode(point.x.to_bytes(_HALF, "big")),
            "y": encode(point.y.to_bytes(_HALF, "big")),
        }


class SigningKey:
    """A key that signs; `public` is its other half."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        self.public = PublicKey(key.public_key())
        self._header = encode(orjson.dumps({"alg": ALGORITHM, "kid": self.public.key_id}))

    def sign(self, claims: dict[str, Any]) -> str:
        """The token that says `claims`."""
        message = f"{self._header}.{encode(orjson.dumps(claims))}"
        numbers = decode_dss_signature(self._key.sign(message.encode(), _ES256))
        signature = b"".join(number.to_bytes(_HALF, "big") for number in numbers)
        return f"{message}.{encode(signature)}"


class Token:
    """A token taken apart, not verified yet. Raises TokenError when it is none."""

    def __init__(self, text: str) -> None:
        message, _, signature = text.rpartition(".")
        header, _, claims = message.partition(".")
        self._message = message.encode()
        self._signature = decode(signature)
        self._header = _json_object(header)
        self.claims = _json_object(claims)

    def is_signed_by(self, keys: list[PublicKey]) -> bool:
        """Whether one of the keys has signed it: the one it names, or any when it names none of them."""
        if self._header.get("alg") != ALGORITHM:
            return False
        named = [key for key in keys if key.key_id == self._header.get("kid")]
        return any(key.verifies(self._message, self._signature) for key in named or keys)


def load_signing_key(file: Path) -> SigningKey:
    """Read a PEM file. OSError, or ValueError when it holds no P-256 private key."""
    key = serialization.load_pem_private_key(file.read_bytes(), None)
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("not an ECDSA P-256 private key")
    return SigningKey(key)


def load_public_key(file: Path) -> PublicKey:
    """Read a PEM file with a public key, or a private one for its public half. OSError, ValueError."""
    pem = file.read_bytes()
    if b"PRIVATE KEY" in pem:
        return load_signing_key(file).public
    key = serialization.load_pem_public_key(pem)
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise ValueError("not an ECDSA P-256 public key")
    return PublicKey(key)


def encode(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes:
    """Base64url without padding, read. Raises TokenError."""
    try:
        if "=" in text:
            raise ValueError
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:  # binascii.Error is one
        raise TokenError("illegal base64 data") from None


def _json_object(part: str) -> dict[str, Any]:
    try:
        value = orjson.loads(decode(part))
    except orjson.JSONDecodeError:
        raise TokenError("invalid JSON") from None
    if not isinstance(value, dict):
        raise TokenError("not a JSON object")
    return value
