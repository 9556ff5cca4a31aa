"""Who may call the streaming service, and how it refuses."""

from __future__ import annotations

from typing import Any

import grpc
import orjson

from podyard.api.errors import StatusError, status_error
from podyard.client.client import STATUS_METADATA

APISERVER = "kube-apiserver-kubelet-client"
ADMINISTRATORS = "system:masters"

CODES = {
    400: grpc.StatusCode.INVALID_ARGUMENT,
    403: grpc.StatusCode.PERMISSION_DENIED,
    404: grpc.StatusCode.NOT_FOUND,
}


async def authorize(context: Any) -> None:
    """End the call unless it comes from the apiserver or an administrator of the cluster."""
    identity = context.auth_context()
    names = [name.decode() for name in identity.get("x509_common_name", ())]
    if APISERVER in names:
        return
    certificates = identity.get("x509_pem_cert", ())
    if certificates and ADMINISTRATORS in _organizations(certificates[0]):
        return
    message = f'Forbidden (user="{"".join(names)}", verb=get, resource=nodes, subresource=proxy)'
    await refuse(context, status_error(403, "Forbidden", message))


def _organizations(certificate: bytes) -> list[str]:
    # Late: the library is large, and the apiserver, who calls nearly always, is known by name.
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    subject = x509.load_pem_x509_certificate(certificate).subject
    return [str(attribute.value) for attribute in subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]


async def refuse(context: Any, error: StatusError) -> None:
    """End the call with a Kubernetes Status, as the component API does."""
    code = CODES.get(error.code, grpc.StatusCode.INTERNAL)
    metadata = ((STATUS_METADATA, orjson.dumps(error.status)),)
    await context.abort(code, error.message, metadata)
