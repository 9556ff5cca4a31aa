"""What a CertificateSigningRequest asks for, and whether it may be: pure."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography import x509
from cryptography.x509.oid import NameOID

from podyard.api.objects import find_condition
from podyard.controllers.meta import Object, status_of

CLIENT = "kubernetes.io/kube-apiserver-client"
KUBELET_CLIENT = "kubernetes.io/kube-apiserver-client-kubelet"
KUBELET_SERVING = "kubernetes.io/kubelet-serving"

NODES = "system:nodes"
NODE_PREFIX = "system:node:"
BOOTSTRAPPERS = "system:bootstrappers"

_CLIENT_USAGES = (
    frozenset({"key encipherment", "digital signature", "client auth"}),
    frozenset({"digital signature", "client auth"}),
)
_SERVING_USAGES = (
    frozenset({"key encipherment", "digital signature", "server auth"}),
    frozenset({"digital signature", "server auth"}),
)
_ANY_CLIENT_USAGES = frozenset({"key encipherment", "digital signature", "client auth"})


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, read. `others` says what names it wants that are neither DNS names nor addresses."""

    csr: x509.CertificateSigningRequest
    signer: str
    user: str
    groups: tuple[str, ...]
    usages: frozenset[str]
    common_names: tuple[str, ...]
    organizations: tuple[str, ...]
    dns_names: tuple[str, ...]
    addresses: tuple[str, ...]
    others: tuple[str, ...]

    @property
    def common_name(self) -> str:
        """The user that it names, "" unless there is exactly one."""
        return self.common_names[0] if len(self.common_names) == 1 else ""


def read(request: Object) -> Asked:
    """Read a request. ValueError when it is not one."""
    spec = request["spec"]
    csr = x509.load_pem_x509_csr(base64.b64decode(spec["request"]))
    names = alternative_names(csr)
    kinds = {x509.RFC822Name: "Email", x509.UniformResourceIdentifier: "URI"}
    return Asked(
        csr,
        spec["signerName"],
        spec.get("username", ""),
        tuple(spec.get("groups") or ()),
        frozenset(spec.get("usages") or ()),
        tuple(str(a.value) for a in csr.subject.get_attributes_for_oid(NameOID.COMMON_NAME)),
        tuple(str(a.value) for a in csr.subject.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)),
        tuple(name.value for name in names if isinstance(name, x509.DNSName)),
        tuple(str(name.value) for name in names if isinstance(name, x509.IPAddress)),
        tuple(
            kinds.get(type(name), type(name).__name__)
            for name in names
            if not isinstance(name, x509.DNSName | x509.IPAddress)
        ),
    )


def alternative_names(csr: x509.CertificateSigningRequest) -> list[x509.GeneralName]:
    """The names under which who asks wants to serve."""
    try:
        return list(csr.extensions.get_extension_for_class(x509.SubjectAlternativeName).value)
    except x509.ExtensionNotFound:
        return []


def problem(asked: Asked) -> str:
    """Why its signer does not sign it, "" when it does (ValidateKubelet{Client,Serving}CSR).

    A subject is signed as it stands, so that it must mean the same user to whoever reads it.
    """
    if len(asked.common_names) > 1:
        return f"subject has {len(asked.common_names)} common names"
    if asked.signer == CLIENT:
        if "client auth" not in asked.usages or not asked.usages <= _ANY_CLIENT_USAGES:
            return "usages did not match [client auth]"
        return ""
    if asked.organizations != (NODES,):
        return f"subject organization is not {NODES}"
    if asked.others:
        return f"{asked.others[0]} subjectAltNames are not allowed"
    if asked.signer == KUBELET_CLIENT:
        if asked.dns_names:
            return "DNS subjectAltNames are not allowed"
        if asked.addresses:
            return "IP subjectAltNames are not allowed"
    elif not asked.dns_names and not asked.addresses:
        return "DNS or IP subjectAltName is required"
    allowed = _CLIENT_USAGES if asked.signer == KUBELET_CLIENT else _SERVING_USAGES
    if asked.usages not in allowed:
        return f"usages did not match {sorted(allowed[0])}"
    if not asked.common_name.startswith(NODE_PREFIX) or asked.common_name == NODE_PREFIX:
        return f"subject common name does not begin with {NODE_PREFIX}"
    if len(list(asked.csr.subject)) != 2:
        return "subject has more than a common name and an organization"
    return ""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a request is `approved` by rule, else left to a person, and `why`.

    "" for what no rule is about.
    """

    approved: bool
    why: str = ""


def approval(asked: Asked, nodes: Iterable[Object]) -> Verdict:
    """Whether it is approved without a person.

    A kubelet gets a client certificate for its node, by a bootstrap token the first time and by the
    one it has afterwards. It gets one to serve with for its own name and for the addresses that its Node
    has, and no other Node has: Kubernetes leaves this to whoever knows the addresses of machines.
    """
    if asked.signer not in (KUBELET_CLIENT, KUBELET_SERVING):
        return Verdict(False)
    if why := problem(asked):
        return Verdict(False, why)
    itself = NODES in asked.groups and asked.user == asked.common_name
    if asked.signer == KUBELET_CLIENT and not itself and BOOTSTRAPPERS in asked.groups:
        return Verdict(True, "Auto approving kubelet client certificate after SubjectAccessReview.")
    if not itself:
        return Verdict(False, f"{asked.user} asks for one of {asked.common_name}")
    if asked.signer == KUBELET_CLIENT:
        return Verdict(True, "Auto approving self kubelet client certificate after SubjectAccessReview.")
    if why := _not_its_own(asked, nodes):
        return Verdict(False, why)
    return Verdict(True, "Auto approving kubelet serving certificate for the addresses of its node.")


def _not_its_own(asked: Asked, nodes: Iterable[Object]) -> str:
    """Which name or address is not the node's alone, "" when all are."""
    node = asked.common_name.removeprefix(NODE_PREFIX)
    if others := sorted(set(asked.dns_names) - {node}):
        return f"{others[0]} is not the name of node {node}"
    holders = {each["metadata"]["name"]: _addresses(each) for each in nodes}
    own = holders.pop(node, frozenset())
    for address in asked.addresses:
        if address not in own:
            return f"address {address} does not belong to node {node}"
        if others := sorted(name for name, theirs in holders.items() if address in theirs):
            return f"address {address} also belongs to node {others[0]}"
    return ""


def _addresses(node: Object) -> frozenset[str]:
    listed = status_of(node).get("addresses") or ()
    return frozenset(a["address"] for a in listed if a.get("type") in ("InternalIP", "ExternalIP"))


def is_decided(request: Object) -> bool:
    """Whether somebody has approved or denied it."""
    conditions = status_of(request).get("conditions")
    return any(find_condition(conditions, kind) for kind in ("Approved", "Denied"))


def is_to_be_signed(request: Object) -> bool:
    """Whether it is approved, and neither signed nor given up."""
    status = status_of(request)
    conditions = status.get("conditions")
    return (
        find_condition(conditions, "Approved") is not None
        and find_condition(conditions, "Failed") is None
        and find_condition(conditions, "Denied") is None
        and not status.get("certificate")
    )
