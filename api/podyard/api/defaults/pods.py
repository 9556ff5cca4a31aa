"""Defaults of Pods and of everything that holds a pod template (pkg/apis/core/v1/defaults.go)."""

from __future__ import annotations

from podyard.api.defaults.fill import (
    Object,
    child,
    each,
    items,
    set_default,
    set_zero_default,
)
from podyard.api.defaults.volumes import volume
from podyard.api.images import image_tag


def pod(obj: Object) -> None:
    """A Pod: its spec, and what only a real pod gets and a template does not."""
    spec = child(obj, "spec")
    pod_spec(spec)
    set_default(spec, "enableServiceLinks", True)
    for container in [*items(spec, "containers"), *items(spec, "initContainers")]:
        _requests_from_limits(container)
        if spec.get("hostNetwork"):
            for port in items(container, "ports"):
                set_zero_default(port, "hostPort", port.get("containerPort", 0))


def pod_template(obj: Object) -> None:
    """A PodTemplate object, or the `template` of a workload's spec's parent."""
    template = child(obj, "template")
    child(template, "metadata")
    pod_spec(child(template, "spec"))


def pod_spec(spec: Object) -> None:
    """The fields of a pod spec that a template shows too."""
    set_default(spec, "restartPolicy", "Always")
    set_default(spec, "terminationGracePeriodSeconds", 30)
    set_default(spec, "dnsPolicy", "ClusterFirst")
    set_default(spec, "schedulerName", "default-scheduler")
    child(spec, "securityContext")
    _same_service_account(spec)
    each(spec, "volumes", volume)
    each(spec, "initContainers", _container)
    each(spec, "containers", _container)
    each(spec, "ephemeralContainers", _container)


def _same_service_account(spec: Object) -> None:
    """`serviceAccount` is the deprecated name of `serviceAccountName`; both are always shown."""
    if name := spec.get("serviceAccountName") or spec.get("serviceAccount"):
        spec["serviceAccountName"] = spec["serviceAccount"] = name


def _container(container: Object) -> None:
    pull = "Always" if image_tag(container.get("image") or "") == "latest" else "IfNotPresent"
    set_default(container, "imagePullPolicy", pull)
    set_default(container, "terminationMessagePath", "/dev/termination-log")
    set_default(container, "terminationMessagePolicy", "File")
    child(container, "resources")
    for port in items(container, "ports"):
        set_default(port, "protocol", "TCP")
    for variable in items(container, "env"):
        _environment_source(variable.get("valueFrom"))
    for key in ("livenessProbe", "readinessProbe", "startupProbe"):
        if (probe := container.get(key)) is not None:
            _probe(probe)
    for hook in ("postStart", "preStop"):
        _http_get(((container.get("lifecycle") or {}).get(hook) or {}).get("httpGet"))


def _environment_source(source: Object | None) -> None:
    if source and source.get("fieldRef") is not None:
        set_default(source["fieldRef"], "apiVersion", "v1")
    if source and source.get("resourceFieldRef") is not None:
        # A divisor is kept by value in Kubernetes, so it is always shown; "0" means one unit.
        set_default(source["resourceFieldRef"], "divisor", "0")


def _probe(probe: Object) -> None:
    set_zero_default(probe, "timeoutSeconds", 1)
    set_zero_default(probe, "periodSeconds", 10)
    set_zero_default(probe, "successThreshold", 1)
    set_zero_default(probe, "failureThreshold", 3)
    _http_get(probe.get("httpGet"))
    if (grpc := probe.get("grpc")) is not None:
        set_default(grpc, "service", "")


def _http_get(action: Object | None) -> None:
    if action is not None:
        set_default(action, "path", "/")
        set_default(action, "scheme", "HTTP")


def _requests_from_limits(container: Object) -> None:
    resources = child(container, "resources")
    if limits := resources.get("limits"):
        requests = child(resources, "requests")
        for name, quantity in limits.items():
            requests.setdefault(name, quantity)
