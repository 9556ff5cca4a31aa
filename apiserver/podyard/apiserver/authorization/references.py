"""Which objects a pod needs on its node: pure (plugin/pkg/auth/authorizer/node/graph.go)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from podyard.apiserver.registry import Object

Reference = tuple[str, str]
"""(resource, name), in the pod's namespace; a volume's of no namespace has the resource persistentvolumes."""


def references_of(pod: Object) -> frozenset[Reference]:
    """The Secrets, ConfigMaps, claims and the ServiceAccount that a pod uses."""
    spec = pod.get("spec") or {}
    found: set[Reference] = {("pods", pod["metadata"]["name"])}
    if account := spec.get("serviceAccountName"):
        found.add(("serviceaccounts", account))
    found.update(("secrets", s["name"]) for s in spec.get("imagePullSecrets") or () if s.get("name"))
    for key in ("initContainers", "containers", "ephemeralContainers"):
        for container in spec.get(key) or ():
            found.update(_of_environment(container))
    found.update(_of_volumes(spec.get("volumes") or ()))
    return frozenset(found)


def _of_environment(container: Object) -> Iterator[Reference]:
    for source in container.get("envFrom") or ():
        yield from _named(source, "secretRef", "secrets")
        yield from _named(source, "configMapRef", "configmaps")
    for variable in container.get("env") or ():
        source = variable.get("valueFrom") or {}
        yield from _named(source, "secretKeyRef", "secrets")
        yield from _named(source, "configMapKeyRef", "configmaps")


def _of_volumes(volumes: Iterable[Object]) -> Iterator[Reference]:
    for volume in volumes:
        yield from _named(volume, "secret", "secrets", "secretName")
        yield from _named(volume, "configMap", "configmaps")
        yield from _named(volume, "persistentVolumeClaim", "persistentvolumeclaims", "claimName")
        for source in (volume.get("projected") or {}).get("sources") or ():
            yield from _named(source, "secret", "secrets")
            yield from _named(source, "configMap", "configmaps")


def _named(holder: Object, key: str, resource: str, field: str = "name") -> Iterator[Reference]:
    if name := (holder.get(key) or {}).get(field):
        yield resource, name
