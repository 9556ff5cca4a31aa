"""The securityContext of pods and containers: what is asked for, and what of it this node can do. Pure.

The source is Kubernetes' pkg/securitycontext and kuberuntime/security_context_others.go. An image of podyard
has no user of its own: it runs as the kubelet does.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from podyard.kubelet.runtime import ContainerSecurity, Features, capabilities
from podyard.kubelet.spec import all_containers, pod_name

Object = dict[str, Any]

EVENT = "SecurityContextNotApplied"
FIRST_FREE_PORT = 1024


@dataclass(frozen=True, slots=True)
class Own:
    """User and group of the kubelet, and so of a container that asks for no other."""

    user: int
    group: int

    @classmethod
    def of_this_process(cls) -> Own:
        """Those of the kubelet that asks."""
        return cls(os.geteuid(), os.getegid())


def effective(pod: Object, container: Object) -> Object:
    """The container's securityContext, over that of its pod (DetermineEffectiveSecurityContext)."""
    both = (pod["spec"].get("securityContext") or {}, container.get("securityContext") or {})
    return {key: value for context in both for key, value in context.items() if value is not None}


def refusal(pod: Object, container: Object, own: Own, features: Features) -> str:
    """Why a container with runAsNonRoot must not start (verifyRunAsNonRoot); empty when it may."""
    context = effective(pod, container)
    if not context.get("runAsNonRoot"):
        return ""
    where = f'(pod: "{pod_name(pod)}", container: {container["name"]})'
    user = context.get("runAsUser")
    if user == 0:
        return f"container's runAsUser breaks non-root policy {where}"
    if own.user == 0 and user is None:
        return f"container has runAsNonRoot and image will run as root {where}"
    if own.user == 0 and features.users == "own":
        return (
            f"container has runAsNonRoot and will run as root, as this node cannot run it as {user} {where}"
        )
    return ""


def container_security(
    pod: Object, container: Object, ports: Iterable[int], features: Features
) -> ContainerSecurity | None:
    """As whom it runs, as far as this node can do that; None: as the kubelet. It listens on `ports`."""
    context = effective(pod, container)
    user, group = context.get("runAsUser"), context.get("runAsGroup")
    if user is not None and group is None:
        group = 0  # of a user whom the image does not know
    groups = _groups(context) if features.users == "any" else None
    if groups is None and user is not None and features.users == "any":
        groups = ()
    if features.users == "own":
        user = group = None
    privileged = bool(context.get("privileged"))
    bounding = None if privileged else _capabilities(context)
    security = ContainerSecurity(
        user=user,
        group=group,
        groups=groups,
        mapped=features.users == "one",
        capabilities=bounding if features.capabilities else None,
        no_new_privileges=context.get("allowPrivilegeEscalation") is False,
        read_only_root=bool(context.get("readOnlyRootFilesystem")) and not features.mount_problem,
        low_ports=not pod["spec"].get("hostNetwork") and any(port < FIRST_FREE_PORT for port in ports),
        devices=privileged and not features.user and features.users == "any" and not features.mount_problem,
    )
    plain = ContainerSecurity(mapped=security.mapped, low_ports=security.low_ports)
    return None if security == plain else security


def pod_warning(pod: Object, own: Own, features: Features) -> str:
    """What of its securityContexts does not hold on this node, for an Event; empty when all does."""
    lacks: dict[str, list[str]] = {}
    contexts = [effective(pod, container) for container in all_containers(pod)]
    for context in contexts:
        for field, why in _lacking(context, own, features):
            if field not in lacks.setdefault(why, []):
                lacks[why].append(field)
    text = "; ".join(f"{', '.join(fields)} ({why})" for why, fields in lacks.items())
    return f"Not all of the securityContext holds on this node: {text}" if text else ""


def _groups(context: Object) -> tuple[int, ...] | None:
    """The supplementary groups, None where the pod names none."""
    group = context.get("fsGroup")
    found = [*(context.get("supplementalGroups") or ()), *([] if group is None else [group])]
    return tuple(dict.fromkeys(map(int, found))) or None


def _capabilities(context: Object) -> int | None:
    """The bounding set, None where the container names none: containerd's, with what it adds and drops."""
    wanted = context.get("capabilities") or {}
    add, drop = ([capabilities.plain(n) for n in wanted.get(key) or ()] for key in ("add", "drop"))
    if not add and not drop:
        return None
    found = capabilities.ALL if "ALL" in add else capabilities.DEFAULT
    found = 0 if "ALL" in drop else found
    return (found | capabilities.mask(add)) & ~capabilities.mask(drop)


def _lacking(context: Object, own: Own, features: Features) -> Iterator[tuple[str, str]]:
    """The fields that do not hold, each with the reason."""
    refused = features.mount_problem
    if features.users == "own":
        for field, has in (("runAsUser", own.user), ("runAsGroup", own.group)):
            if context.get(field, has) != has:
                yield field, refused
    if features.users != "any":
        why = "containers have one group in a user namespace" if features.users == "one" else refused
        for field in ("supplementalGroups", "fsGroup"):
            if context.get(field) not in (None, [], own.group):
                yield field, why
        if context.get("privileged"):
            yield "privileged", "the kubelet is not root of the node"
    if context.get("readOnlyRootFilesystem") and refused:
        yield "readOnlyRootFilesystem", refused
    yield from _lacking_capabilities(context, own, features)
    for field, matters in _WITHOUT_EFFECT.items():
        if context.get(field) and matters(context[field]):
            yield field, "nothing here acts on it"


def _lacking_capabilities(context: Object, own: Own, features: Features) -> Iterator[tuple[str, str]]:
    if context.get("runAsUser", own.user) != 0:
        return  # what is added is for root, in Kubernetes as well
    for name in map(capabilities.plain, (context.get("capabilities") or {}).get("add") or ()):
        if name != "ALL" and not capabilities.mask([name]) & features.capabilities:
            known = name in capabilities.NAMES
            yield f"capabilities.add {name}", "the kubelet does not have it" if known else "there is no such"


_WITHOUT_EFFECT: dict[str, Callable[[Any], bool]] = {
    "seLinuxOptions": bool,
    "seccompProfile": lambda profile: profile.get("type") == "Localhost",
    "appArmorProfile": lambda profile: profile.get("type") == "Localhost",
    "procMount": lambda mount: mount == "Unmasked",
    "sysctls": bool,
}
"""Fields that no part of podyard reads, and whether a value makes a difference to the program."""
