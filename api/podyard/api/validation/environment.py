"""A container's environment, and the fields of its pod that it may refer to (core/validation)."""

from __future__ import annotations

from podyard.api import names
from podyard.api.quantities import canonical_quantity
from podyard.api.validation import formats
from podyard.api.validation.fields import (
    Errors,
    Object,
    indexed,
    invalid,
    invalid_all,
    not_supported,
    required,
)
from podyard.api.validation.labels import label_key

ENVIRONMENT_FIELDS = (
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
)
VOLUME_FIELDS = (
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
)
_KNOWN_FIELDS = {
    *ENVIRONMENT_FIELDS,
    *VOLUME_FIELDS,
    "spec.host",
    "spec.restartPolicy",
    "spec.schedulerName",
    "status.phase",
}
_RESOURCES = tuple(
    f"{kind}.{name}" for kind in ("limits", "requests") for name in ("cpu", "ephemeral-storage", "memory")
)
_SIZES = ("1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei")


def env(path: str, variables: list[Object] | None) -> Errors:
    """The `env` of a container."""
    for at, variable in indexed(path, variables):
        if not variable.get("name"):
            yield required(f"{at}.name")
        else:
            yield from invalid_all(f"{at}.name", variable["name"], names.is_env_var_name(variable["name"]))
        if variable.get("valueFrom") is not None:
            yield from _value_from(f"{at}.valueFrom", variable["valueFrom"], variable.get("value"))


def env_from(path: str, sources: list[Object] | None) -> Errors:
    """The `envFrom` of a container."""
    for at, source in indexed(path, sources):
        if prefix := source.get("prefix"):
            yield from invalid_all(f"{at}.prefix", prefix, names.is_env_var_name(prefix))
        given = [key for key in ("configMapRef", "secretRef") if source.get(key) is not None]
        for key in given:
            yield from formats.named(f"{at}.{key}.name", source[key].get("name"))
        # Kubernetes states these two at the list, not at its item.
        if not given:
            yield invalid(path, "", "must specify one of: `configMapRef` or `secretRef`")
        elif len(given) > 1:
            yield invalid(path, "", "may not have more than one field specified at a time")


def _value_from(path: str, source: Object, value: str | None) -> Errors:
    count = 0
    if (field := source.get("fieldRef")) is not None:
        count += 1
        yield from field_ref(f"{path}.fieldRef", field, ENVIRONMENT_FIELDS)
    if (resource := source.get("resourceFieldRef")) is not None:
        count += 1
        yield from resource_field_ref(f"{path}.resourceFieldRef", resource, volume=False)
    for key in ("configMapKeyRef", "secretKeyRef"):
        if (selector := source.get(key)) is not None:
            count += 1
            yield from _key_ref(f"{path}.{key}", selector)
    if (file := source.get("fileKeyRef")) is not None:
        count += 1
        for key in ("volumeName", "path", "key"):
            if not file.get(key):
                yield required(f"{path}.fileKeyRef.{key}")
    if count == 0:
        yield invalid(
            path,
            "",
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`",
        )
    elif value:
        yield invalid(path, "", "may not be specified when `value` is not empty")
    elif count > 1:
        yield invalid(path, "", "may not have more than one field specified at a time")


def _key_ref(path: str, selector: Object) -> Errors:
    name, key = selector.get("name") or "", selector.get("key")
    yield from formats.dns_subdomain(f"{path}.name", name)
    if not key:
        yield required(f"{path}.key")
    else:
        yield from invalid_all(f"{path}.key", key, names.is_config_map_key(key))


def field_ref(path: str, selector: Object, supported: tuple[str, ...]) -> Errors:
    """A reference to a field of the pod, such as "metadata.labels['app']"."""
    version, field = selector.get("apiVersion"), selector.get("fieldPath")
    if not version or not field:
        yield required(f"{path}.fieldPath" if version else f"{path}.apiVersion")
        return
    name, bracket, subscript = field.partition("['")
    subscripted = bool(bracket) and subscript.endswith("']")
    if error := _unknown_field(version, name if subscripted else field, subscripted):
        yield invalid(f"{path}.fieldPath", field, f"error converting fieldPath: {error}")
    elif subscripted:
        key = subscript[:-2]
        yield from label_key(path, key.lower() if name == "metadata.annotations" else key)
    elif field not in supported:
        yield not_supported(f"{path}.fieldPath", field, supported)


def _unknown_field(version: str, field: str, subscripted: bool) -> str:
    if version != "v1":
        return f"unsupported pod version: {version}"
    if subscripted and field not in ("metadata.annotations", "metadata.labels"):
        return "field label does not support subscript"
    return "" if field in _KNOWN_FIELDS else f"field label not supported: {field}"


def resource_field_ref(path: str, selector: Object, *, volume: bool) -> Errors:
    """A reference to a container's request or limit; in a volume the container must be named."""
    resource = selector.get("resource") or ""
    huge_pages = resource.startswith(("requests.hugepages-", "limits.hugepages-"))
    if volume and not selector.get("containerName"):
        yield required(f"{path}.containerName")
    elif not resource:
        yield required(f"{path}.resource")
    elif resource not in _RESOURCES and not huge_pages:
        yield not_supported(f"{path}.resource", resource, _RESOURCES)
    yield from _divisor(f"{path}.divisor", resource, selector.get("divisor"))


def _divisor(path: str, resource: str, divisor: str | None) -> Errors:
    try:
        shown = canonical_quantity(divisor or "0")
    except ValueError as error:
        yield invalid(path, divisor, str(error))
        return
    if shown == "0":
        return
    kind = resource.partition(".")[2]
    if kind == "cpu":
        if shown not in ("1m", "1"):
            detail = "only divisor's values 1m and 1 are supported with the cpu resource"
            yield invalid(path, resource, detail)
    elif shown not in _SIZES:
        what = {"memory": "memory", "ephemeral-storage": "local ephemeral storage"}.get(kind, "hugepages")
        detail = f"only divisor's values {', '.join(_SIZES)} are supported with the {what} resource"
        yield invalid(path, resource, detail)
