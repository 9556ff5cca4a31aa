"""Namespaces, nodes, secrets, volumes, certificate signing requests."""

from __future__ import annotations

import base64

from podyard.api.times import to_rfc3339
from podyard.api.validation.cluster import pod_networks
from podyard.apiserver.registry import Object
from podyard.apiserver.registry.strategies import Context, Strategy, keep

NAME_LABEL = "kubernetes.io/metadata.name"


class NamespaceStrategy(Strategy):
    """A namespace is Active until deleted, then Terminating until its finalizers are gone."""

    def prepare_create(self, new: Object, context: Context) -> None:
        """Give it its phase, its finalizer and its name as a label."""
        new["status"] = {"phase": "Active"}
        spec = new.setdefault("spec", {})
        if "kubernetes" not in spec.setdefault("finalizers", []):
            spec["finalizers"].append("kubernetes")
        _label(new)

    def prepare_update(self, new: Object, old: Object, context: Context) -> None:
        """The finalizers in spec change through the finalize sub-resource alone."""
        keep(new, old, "status")
        keep(new, old, "spec")
        _label(new)

    def prepare_status(self, new: Object, old: Object, context: Context) -> None:
        """A namespace is Terminating exactly when it is being deleted."""
        super().prepare_status(new, old, context)
        deleting = "deletionTimestamp" in new["metadata"]
        new.setdefault("status", {})["phase"] = "Terminating" if deleting else "Active"

    def deletion_begins(self, obj: Object) -> None:
        """Show it in the phase; a namespace has no grace period."""
        obj["metadata"].pop("deletionGracePeriodSeconds", None)
        obj.setdefault("status", {})["phase"] = "Terminating"

    def holds(self, obj: Object) -> bool:
        """Its own finalizers are in spec."""
        return bool(obj.get("spec", {}).get("finalizers"))


def _label(namespace: Object) -> None:
    metadata = namespace["metadata"]
    metadata.setdefault("labels", {})[NAME_LABEL] = metadata["name"]


class NodeStrategy(Strategy):
    """A kubelet registers its node together with the first status."""

    def prepare_create(self, new: Object, context: Context) -> None:
        """Leave the status as it is."""
        _keep_pod_networks_in_step(new)

    def prepare_update(self, new: Object, old: Object, context: Context) -> None:
        """The pod network is in two fields."""
        super().prepare_update(new, old, context)
        _keep_pod_networks_in_step(new)


def _keep_pod_networks_in_step(node: Object) -> None:
    if networks := pod_networks(node.get("spec") or {}):
        node["spec"] |= {"podCIDR": networks[0], "podCIDRs": networks}


class SecretStrategy(Strategy):
    """`stringData` is for writing only."""

    def prepare_create(self, new: Object, context: Context) -> None:
        """Merge it into `data`."""
        _merge_string_data(new)

    def prepare_update(self, new: Object, old: Object, context: Context) -> None:
        """Merge it into `data`."""
        _merge_string_data(new)


def _merge_string_data(secret: Object) -> None:
    plain = secret.pop("stringData", None) or {}
    if plain:
        data = secret.setdefault("data", {})
        for key, value in plain.items():
            data[key] = base64.b64encode(value.encode()).decode()


class VolumeStrategy(Strategy):
    """Volumes and claims begin Pending."""

    def prepare_create(self, new: Object, context: Context) -> None:
        """Set the phase."""
        new["status"] = {"phase": "Pending"}


class CertificateStrategy(Strategy):
    """A request is signed for who made it, and never changes."""

    def prepare_create(self, new: Object, context: Context) -> None:
        """Put down who asks."""
        super().prepare_create(new, context)
        spec = new.setdefault("spec", {})
        user = context.user
        spec["username"] = user.name
        for key, value in (
            ("uid", user.uid),
            ("groups", list(user.groups)),
            ("extra", {name: list(values) for name, values in user.extra.items()}),
        ):
            spec.pop(key, None)
            if value:
                spec[key] = value

    def prepare_update(self, new: Object, old: Object, context: Context) -> None:
        """Keep the request."""
        super().prepare_update(new, old, context)
        keep(new, old, "spec")

    def prepare_status(self, new: Object, old: Object, context: Context) -> None:
        """The signer says whether it has signed, not whether it should: that is for `approval`."""
        super().prepare_status(new, old, context)
        status = new.get("status") or {}
        decided = [c for c in _conditions(old) if c.get("type") in _DECISIONS]
        conditions = [*decided, *(c for c in _conditions(new) if c.get("type") not in _DECISIONS)]
        new["status"] = {**status, **({"conditions": conditions} if conditions else {})}
        _set_times(new, old, context.now)


_DECISIONS = ("Approved", "Denied")


def _conditions(request: Object) -> list[Object]:
    return (request.get("status") or {}).get("conditions") or []


def only_conditions(new: Object, old: Object, context: Context) -> None:
    """certificatesigningrequests/approval: status.conditions alone."""
    conditions = _conditions(new)
    new["status"] = {**old.get("status", {}), **({"conditions": conditions} if conditions else {})}
    keep(new, old, "spec")
    _set_times(new, old, context.now)


def _set_times(new: Object, old: Object, now: float) -> None:
    """Put down when conditions came, where their author has not."""
    before = {c.get("type"): c for c in _conditions(old)}
    for condition in _conditions(new):
        previous = before.get(condition.get("type"), {})
        same = previous.get("status") == condition.get("status")
        when = previous.get("lastTransitionTime") if same else None
        condition.setdefault("lastTransitionTime", when or to_rfc3339(now))
        condition.setdefault("lastUpdateTime", condition["lastTransitionTime"])
