"""Certificate signing requests (pkg/apis/certificates/validation)."""

from __future__ import annotations

import base64
import binascii
import re

from cryptography import x509

from podyard.api.validation.fields import Errors, Object, duplicate, invalid, not_supported, required

_LEAST_SECONDS = 600

_USAGES = frozenset(
    {
        "signing",
        "digital signature",
        "content commitment",
        "key encipherment",
        "key agreement",
        "data encipherment",
        "cert sign",
        "crl sign",
        "encipher only",
        "decipher only",
        "any",
        "server auth",
        "client auth",
        "code signing",
        "email protection",
        "s/mime",
        "ipsec end system",
        "ipsec tunnel",
        "ipsec user",
        "timestamping",
        "ocsp signing",
        "microsoft sgc",
        "netscape sgc",
    }
)
_SIGNER = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+/[A-Za-z0-9._-]+")


def signing_request_create(obj: Object) -> Errors:
    """A new request: something to sign, who is to sign it, and what for."""
    spec = obj.get("spec") or {}
    request = spec.get("request") or ""
    if why := _request_problem(request):
        yield invalid("spec.request", request, why)
    usages = spec.get("usages") or []
    if not usages:
        yield required("spec.usages")
    for index, usage in enumerate(usages):
        path = f"spec.usages[{index}]"
        if usage not in _USAGES:
            yield not_supported(path, usage, _USAGES)
        elif usage in usages[:index]:
            yield duplicate(path, usage)
    signer = spec.get("signerName") or ""
    if not signer:
        yield required("spec.signerName")
    elif not _SIGNER.fullmatch(signer):
        why = 'must be a fully qualified domain and path of the form "example.com/signer-name"'
        yield invalid("spec.signerName", signer, why)
    seconds = spec.get("expirationSeconds")
    if seconds is not None and seconds < _LEAST_SECONDS:
        why = f"may not specify a duration less than {_LEAST_SECONDS} seconds (10 minutes)"
        yield invalid("spec.expirationSeconds", seconds, why)


def signing_request_update(new: Object, old: Object) -> Errors:
    """Conditions do not contradict each other, and the certificate is one."""
    conditions = (new.get("status") or {}).get("conditions") or []
    seen: set[str] = set()
    for index, condition in enumerate(conditions):
        path, kind = f"status.conditions[{index}]", condition.get("type", "")
        if kind in ("Approved", "Denied", "Failed") and condition.get("status") != "True":
            yield not_supported(f"{path}.status", condition.get("status"), ("True",))
        if kind in seen:
            yield duplicate(f"{path}.type", kind)
        seen.add(kind)
        if {"Approved", "Denied"} <= seen and kind in ("Approved", "Denied"):
            yield invalid(f"{path}.type", kind, "Approved and Denied conditions are mutually exclusive")
    before = {c.get("type") for c in (old.get("status") or {}).get("conditions") or ()}
    for kind in sorted(before & {"Approved", "Denied", "Failed"} - seen):
        yield invalid("status.conditions", kind, f'updates may not remove a condition of type "{kind}"')
    certificate = (new.get("status") or {}).get("certificate")
    if certificate and (why := _certificate_problem(certificate)):
        yield invalid("status.certificate", "<certificate data>", why)


def _request_problem(encoded: str) -> str:
    try:
        pem = base64.b64decode(encoded)
        if b"-----BEGIN CERTIFICATE REQUEST-----" not in pem:
            return "PEM block type must be CERTIFICATE REQUEST"
        return "" if x509.load_pem_x509_csr(pem).is_signature_valid else "its signature is not valid"
    except (ValueError, binascii.Error) as error:
        return str(error)


def _certificate_problem(encoded: str) -> str:
    try:
        x509.load_pem_x509_certificate(base64.b64decode(encoded))
    except (ValueError, binascii.Error) as error:
        return str(error)
    return ""
