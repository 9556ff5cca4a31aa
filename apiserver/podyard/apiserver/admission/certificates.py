"""Nobody becomes an administrator by a certificate (plugin/pkg/admission/certificates/subjectrestriction)."""

from __future__ import annotations

import base64

from cryptography import x509
from cryptography.x509.oid import NameOID

from podyard.api.errors import forbidden
from podyard.apiserver.admission import Request
from podyard.apiserver.authorization.roles import ADMINISTRATORS

SIGNER = "kubernetes.io/kube-apiserver-client"


def certificate_subject_restriction(request: Request) -> None:
    """Refuse (403) a request to the signer of clients for a certificate of the administrators' group."""
    if request.operation != "CREATE" or request.resource.plural != "certificatesigningrequests":
        return
    spec = (request.obj or {}).get("spec") or {}
    if spec.get("signerName") != SIGNER:
        return
    try:
        asked = x509.load_pem_x509_csr(base64.b64decode(spec.get("request") or ""))
    except ValueError:
        return  # validation says what is wrong with it
    if ADMINISTRATORS in [a.value for a in asked.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]:
        why = f"use of {SIGNER} signer with {ADMINISTRATORS} group is not allowed"
        raise forbidden(request.resource, request.name, why)
