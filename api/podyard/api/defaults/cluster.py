"""Defaults of the kinds that administer a cluster: RBAC, storage, scheduling, webhooks, flow control."""

from __future__ import annotations

from podyard.api.defaults.fill import Object, child, items, set_default, set_zero_default

_RBAC = "rbac.authorization.k8s.io"
_TOKEN_SECONDS = 3600


def role_binding(obj: Object) -> None:
    """A RoleBinding or ClusterRoleBinding: the RBAC group where a group was left out."""
    set_default(child(obj, "roleRef"), "apiGroup", _RBAC)
    for subject in items(obj, "subjects"):
        if subject.get("kind") in ("User", "Group"):
            set_default(subject, "apiGroup", _RBAC)


def token_request(obj: Object) -> None:
    """A TokenRequest: for an hour."""
    set_zero_default(child(obj, "spec"), "expirationSeconds", _TOKEN_SECONDS)


def storage_class(obj: Object) -> None:
    """A StorageClass: volumes deleted with their claim, bound at once."""
    set_default(obj, "reclaimPolicy", "Delete")
    set_default(obj, "volumeBindingMode", "Immediate")


def csi_driver(obj: Object) -> None:
    """A CSIDriver."""
    spec = child(obj, "spec")
    set_default(spec, "attachRequired", True)
    set_default(spec, "podInfoOnMount", False)
    set_default(spec, "storageCapacity", False)
    set_default(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType")
    set_default(spec, "requiresRepublish", False)
    set_default(spec, "seLinuxMount", False)
    set_zero_default(spec, "volumeLifecycleModes", ["Persistent"])


def priority_class(obj: Object) -> None:
    """A PriorityClass: its pods may displace others."""
    set_default(obj, "preemptionPolicy", "PreemptLowerPriority")


def api_service(obj: Object) -> None:
    """An APIService: HTTPS on 443."""
    service = child(obj, "spec").get("service")
    if service is not None:
        set_default(service, "port", 443)


def custom_resource_definition(obj: Object) -> None:
    """A CustomResourceDefinition: names made from its kind, no conversion."""
    spec = child(obj, "spec")
    names = child(spec, "names")
    kind = names.get("kind") or ""
    if kind:
        set_default(names, "singular", kind.lower())
        set_default(names, "listKind", f"{kind}List")
    conversion = child(spec, "conversion")
    set_default(conversion, "strategy", "None")
    _service_port(conversion.get("webhook"))


def mutating_webhooks(obj: Object) -> None:
    """A MutatingWebhookConfiguration."""
    validating_webhooks(obj)
    for webhook in items(obj, "webhooks"):
        set_default(webhook, "reinvocationPolicy", "Never")


def validating_webhooks(obj: Object) -> None:
    """A ValidatingWebhookConfiguration: every object, ten seconds, failure refuses the request."""
    for webhook in items(obj, "webhooks"):
        set_default(webhook, "failurePolicy", "Fail")
        set_default(webhook, "matchPolicy", "Equivalent")
        set_default(webhook, "timeoutSeconds", 10)
        child(webhook, "namespaceSelector")
        child(webhook, "objectSelector")
        for rule in items(webhook, "rules"):
            set_default(rule, "scope", "*")
        _service_port(webhook)


def flow_schema(obj: Object) -> None:
    """A FlowSchema: in the middle of the order."""
    set_zero_default(child(obj, "spec"), "matchingPrecedence", 1000)


def priority_level(obj: Object) -> None:
    """A PriorityLevelConfiguration: its shares of the server's concurrency, and its queues."""
    spec = child(obj, "spec")
    if (limited := spec.get("limited")) is not None:
        set_default(limited, "nominalConcurrencyShares", 30)
        set_default(limited, "lendablePercent", 0)
        queuing = (limited.get("limitResponse") or {}).get("queuing")
        if queuing is not None:
            set_zero_default(queuing, "queues", 64)
            set_zero_default(queuing, "handSize", 8)
            set_zero_default(queuing, "queueLengthLimit", 50)
    if (exempt := spec.get("exempt")) is not None:
        set_default(exempt, "nominalConcurrencyShares", 0)
        set_default(exempt, "lendablePercent", 0)


def _service_port(holder: Object | None) -> None:
    """The port of a `clientConfig`'s service reference."""
    service = ((holder or {}).get("clientConfig") or {}).get("service")
    if service is not None:
        set_default(service, "port", 443)
