"""Pod specs and pod templates (core/validation ValidatePodSpec, ValidatePodTemplateSpec)."""

from __future__ import annotations

from podyard.api import names
from podyard.api.validation import formats, quantities, scheduling, volumes
from podyard.api.validation.containers import Pod, containers, ephemeral_containers, init_containers
from podyard.api.validation.fields import (
    Errors,
    Object,
    duplicate,
    forbidden,
    in_range,
    indexed,
    invalid,
    invalid_all,
    not_supported,
    one_of,
    required,
)
from podyard.api.validation.labels import label_key, labels, object_annotations
from podyard.api.validation.security import pod_security_context

RESTART_POLICIES = ("Always", "Never", "OnFailure")
_DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
_MAX_NAMESERVERS = 3
_MAX_SEARCHES = 32
_MAX_SEARCH_CHARACTERS = 2048


def pod_template(path: str, template: Object | None, *, check_spec: bool = True) -> Errors:
    """A pod template. `check_spec` is false when its spec is known to be right already."""
    template = template or {}
    meta = template.get("metadata") or {}
    # Kubernetes leaves "metadata" out of these two paths.
    yield from labels(f"{path}.labels", meta.get("labels"))
    yield from object_annotations(f"{path}.annotations", meta.get("annotations"))
    spec = template.get("spec") or {}
    if check_spec:
        yield from pod_spec(f"{path}.spec", spec, is_pod=False)
    if spec.get("ephemeralContainers"):
        yield forbidden(
            f"{path}.spec.ephemeralContainers", "ephemeral containers not allowed in pod template"
        )


def pod_spec(path: str, spec: Object, *, is_pod: bool) -> Errors:
    """A pod spec; of a Pod more is asked than of a template."""
    grace = spec.get("terminationGracePeriodSeconds")
    if grace is None:
        yield required(f"{path}.terminationGracePeriodSeconds")
    yield from volumes.volumes(f"{path}.volumes", spec.get("volumes"))
    yield from _all_containers(path, spec, grace)
    yield from quantities.pod_requirements(f"{path}.resources", spec.get("resources"))
    yield from _host_network(path, spec, is_pod=is_pod)
    yield from one_of(f"{path}.restartPolicy", spec.get("restartPolicy"), RESTART_POLICIES)
    yield from one_of(f"{path}.dnsPolicy", spec.get("dnsPolicy"), _DNS_POLICIES)
    yield from labels(f"{path}.nodeSelector", spec.get("nodeSelector"))
    yield from pod_security_context(f"{path}.securityContext", spec)
    yield from scheduling.affinity(f"{path}.affinity", spec.get("affinity"))
    yield from _dns_config(f"{path}.dnsConfig", spec)
    for at, gate in indexed(f"{path}.readinessGates", spec.get("readinessGates")):
        yield from label_key(f"{at}.conditionType", gate.get("conditionType") or "")
    yield from _scheduling_gates(f"{path}.schedulingGates", spec.get("schedulingGates"))
    yield from scheduling.topology_spread(
        f"{path}.topologySpreadConstraints", spec.get("topologySpreadConstraints")
    )
    yield from _names(path, spec)
    yield from in_range(f"{path}.activeDeadlineSeconds", spec.get("activeDeadlineSeconds"), 1, 2**31 - 1)
    yield from scheduling.tolerations(f"{path}.tolerations", spec.get("tolerations"))
    yield from _host_aliases(f"{path}.hostAliases", spec.get("hostAliases"))
    if (preemption := spec.get("preemptionPolicy")) is not None:
        yield from one_of(f"{path}.preemptionPolicy", preemption, ("Never", "PreemptLowerPriority"))
    system = spec.get("os")
    if system is not None and not system.get("name"):
        yield required(f"{path}.os.name", "cannot be empty")
    elif system is not None and system["name"] not in ("linux", "windows"):
        yield not_supported(f"{path}.os", system["name"], ("linux", "windows"))


def _all_containers(path: str, spec: Object, grace: int | None) -> Errors:
    ordinary, init = spec.get("containers") or [], spec.get("initContainers") or []
    pod = Pod(
        volumes={volume.get("name") or "" for volume in spec.get("volumes") or []},
        claims={claim.get("name") or "" for claim in spec.get("resourceClaims") or []},
        grace=grace,
        restart_policy=spec.get("restartPolicy") or "",
        system=(spec.get("os") or {}).get("name") or "",
    )
    names_of_ordinary = {container.get("name") or "" for container in ordinary}
    all_names = names_of_ordinary | {container.get("name") or "" for container in init}
    yield from containers(f"{path}.containers", ordinary, pod)
    yield from init_containers(f"{path}.initContainers", init, names_of_ordinary, pod)
    ephemeral = spec.get("ephemeralContainers")
    yield from ephemeral_containers(f"{path}.ephemeralContainers", ephemeral, all_names, pod)


def _host_network(path: str, spec: Object, *, is_pod: bool) -> Errors:
    if not spec.get("hostNetwork"):
        return
    for at, container in indexed(f"{path}.containers", spec.get("containers")):
        for port_at, port in indexed(f"{at}.ports", container.get("ports")):
            host_port = port.get("hostPort") or 0
            if (is_pod or host_port) and host_port != port.get("containerPort"):
                detail = "must match `containerPort` when `hostNetwork` is true"
                yield invalid(f"{port_at}.hostPort", host_port, detail)


def _names(path: str, spec: Object) -> Errors:
    for key in ("serviceAccountName", "nodeName", "priorityClassName", "runtimeClassName"):
        if spec.get(key):
            yield from formats.dns_subdomain(f"{path}.{key}", spec[key])
    for key in ("hostname", "subdomain"):
        if spec.get(key):
            yield from formats.dns_label(f"{path}.{key}", spec[key])


def _scheduling_gates(path: str, gates: list[Object] | None) -> Errors:
    seen: set[str] = set()
    for at, gate in indexed(path, gates):
        name = gate.get("name") or ""
        yield from label_key(at, name)
        if name in seen:
            yield duplicate(at, name)
        seen.add(name)


def _host_aliases(path: str, aliases: list[Object] | None) -> Errors:
    for at, alias in indexed(path, aliases):
        yield from formats.ip(f"{at}.ip", alias.get("ip") or "")
        for name_at, hostname in indexed(f"{at}.hostnames", alias.get("hostnames")):
            yield from formats.dns_subdomain(name_at, hostname)


def _dns_config(path: str, spec: Object) -> Errors:
    config = spec.get("dnsConfig")
    if spec.get("dnsPolicy") == "None":
        if config is None:
            yield required(path, "must provide `dnsConfig` when `dnsPolicy` is None")
            return
        if not config.get("nameservers"):
            detail = "must provide at least one DNS nameserver when `dnsPolicy` is None"
            yield required(f"{path}.nameservers", detail)
            return
    if config is None:
        return
    servers, searches = config.get("nameservers") or [], config.get("searches") or []
    if len(servers) > _MAX_NAMESERVERS:
        detail = f"must not have more than {_MAX_NAMESERVERS} nameservers"
        yield invalid(f"{path}.nameservers", servers, detail)
    for at, server in indexed(f"{path}.nameservers", servers):
        yield from formats.ip(at, server)
    if len(searches) > _MAX_SEARCHES:
        detail = f"must not have more than {_MAX_SEARCHES} search paths"
        yield invalid(f"{path}.searches", searches, detail)
    if len(" ".join(searches)) > _MAX_SEARCH_CHARACTERS:
        most = f"{_MAX_SEARCH_CHARACTERS} characters (including spaces)"
        detail = f"must not have more than {most} in the search list"
        yield invalid(f"{path}.searches", searches, detail)
    for at, search in indexed(f"{path}.searches", searches):
        # A lone dot is the root; underscores are allowed in search domains (relaxed in v1.34).
        if search != ".":
            plain = search.removesuffix(".").replace("_", "a")
            yield from invalid_all(at, search, names.is_dns1123_subdomain(plain))
    for at, option in indexed(f"{path}.options", config.get("options")):
        if not option.get("name"):
            yield required(at, "must not be empty")
