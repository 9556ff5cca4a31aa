"""Asking the cluster for a certificate (k8s.io/client-go/util/certificate/csr)."""

from __future__ import annotations

import base64
import logging
from dataclasses import dataclass
from typing import Any

from podyard.api.errors import StatusError
from podyard.api.resources import CERTIFICATESIGNINGREQUESTS
from podyard.client.client import Client

Object = dict[str, Any]

KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"

_USAGES = {KUBELET_CLIENT: "client auth", KUBELET_SERVING: "server auth"}


logger = logging.getLogger("signing")


class NotSigned(Exception):
    """The request was denied, or the signer gave it up; the text says why."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a node asks for: one to present, or one to serve with under `names`."""

    node: str
    signer: str
    names: tuple[str, ...] = ()

    @property
    def user(self) -> str:
        """The common name."""
        return f"system:node:{self.node}"


def make_request(wanted: Wanted, pem: bytes) -> Object:
    """The CertificateSigningRequest that carries a PKCS#10 request."""
    return {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"generateName": "csr-"},
        "spec": {
            "request": base64.b64encode(pem).decode(),
            "signerName": wanted.signer,
            "usages": ["digital signature", _USAGES[wanted.signer]],
        },
    }


def certificate_in(request: Object) -> bytes | None:
    """The certificate, PEM; None while it is awaited. Raises NotSigned when it will not come."""
    status = request.get("status") or {}
    for condition in status.get("conditions") or ():
        if condition["type"] in ("Denied", "Failed"):
            why = ": ".join(filter(None, (condition.get("reason"), condition.get("message"))))
            raise NotSigned(f"request {request['metadata']['name']} was {condition['type'].lower()}: {why}")
    encoded = status.get("certificate")
    return base64.b64decode(encoded) if encoded else None


async def obtain(client: Client, wanted: Wanted) -> bytes:
    """A new key and a certificate for it, in one PEM file's bytes. Waits until it is signed.

    Raises NotSigned, and StatusError when the apiserver refuses or is away.
    """
    # Late: the library is large, and whoever has its certificate already does not need it.
    from podyard.process import certificates

    key = certificates.new_key()
    whose = certificates.subject(wanted.user, "system:nodes")
    pem = certificates.signing_request(key, whose, wanted.names)
    made = await client.create(CERTIFICATESIGNINGREQUESTS, make_request(wanted, pem))
    logger.info("request %s for a certificate of %s", made["metadata"]["name"], wanted.user)
    return await _signed(client, made) + certificates.key_pem(key)


async def _signed(client: Client, made: Object) -> bytes:
    name = made["metadata"]["name"]
    try:
        events = client.watch(
            CERTIFICATESIGNINGREQUESTS,
            field_selector=f"metadata.name={name}",
            resource_version=made["metadata"]["resourceVersion"],
        )
        async for event in events:
            if event.type == "DELETED":
                raise NotSigned(f"request {name} was deleted")
            if event.type != "BOOKMARK" and (certificate := certificate_in(event.object)):
                return certificate
    except StatusError as error:
        if error.code not in (410, 503):
            raise
    # The watch has ended: what has become of it?
    return await _signed(client, await client.get(CERTIFICATESIGNINGREQUESTS, name))
