"""Is this the cluster that is meant? A host that joins knows nothing of it but the hash of its CA's key.

As kubeadm's token discovery (kubeadm/app/discovery/token): the CA is fetched from whoever answers, and
believed when its hash is right; from then on nobody else is listened to.
"""

from __future__ import annotations

import re

from cryptography import x509

from podyard.cli.joining.rest import Rest
from podyard.cli.joining.settings import INFO_NAME, INFO_NAMESPACE, Unreadable, read_ca
from podyard.process.certificates import BACKDATE, public_key_hash
from podyard.process.main import UserError

INFO_PATH = f"/api/v1/namespaces/{INFO_NAMESPACE}/configmaps/{INFO_NAME}"


def check_hash(text: str) -> str:
    """A hash as `--ca-cert-hash` takes it. Raises UserError."""
    if not re.fullmatch(r"sha256:[0-9a-f]{64}", text.lower()):
        raise UserError(f"--ca-cert-hash {text}: must be sha256: and 64 hexadecimal digits")
    return text.lower()


async def discover(server: str, wanted: str) -> bytes:
    """The CA of the cluster at `server`, PEM, whose public key has the hash `wanted`. Raises UserError."""
    async with Rest(server) as anybody:
        answer = await anybody.get(INFO_PATH)
    if answer.code != 200:
        raise UserError(
            f"{server} is not to be joined: it has no ConfigMap {INFO_NAMESPACE}/{INFO_NAME}, "
            f"as `podyard server` writes it ({answer.message})"
        )
    try:
        pem = read_ca(answer.body)
        found = hash_of(pem)
    except (Unreadable, ValueError) as error:
        raise UserError(f"{server} is not to be joined: {error}") from None
    if found != wanted:
        raise UserError(
            f"the CA of {server} has the hash {found}, not {wanted}: it is another cluster than the one that "
            "the hash is of, or somebody stands between"
        )
    if problem := clock_problem(answer.ahead):
        raise UserError(problem)
    return pem


def hash_of(pem: bytes) -> str:
    """The hash of a CA's public key. Raises ValueError."""
    return public_key_hash(x509.load_pem_x509_certificate(pem))


def clock_problem(ahead: float) -> str:
    """What is wrong when the server's clock is `ahead` by so many seconds; "" when that does no harm.

    A certificate begins a little before it is made, which a host whose clock is a little behind can bear.
    """
    most = BACKDATE.total_seconds()
    if abs(ahead) <= most:
        return ""
    where = "behind" if ahead > 0 else "ahead of"
    return (
        f"this host's clock is {_spell(abs(ahead))} {where} the server's, and certificates bear "
        f"{_spell(most)}: set it right, by NTP best, and join again"
    )


def _spell(seconds: float) -> str:
    whole = round(seconds)
    days, hours, minutes = whole // 86400, whole % 86400 // 3600, whole % 3600 // 60
    if days:
        return f"{days} d {hours} h"
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min" if whole % 60 == 0 else f"{minutes} min {whole % 60} s"
