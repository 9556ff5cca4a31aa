"""A pod's volumes (core/validation).

Of the many sources the ones that a pod on podyard can have are looked at in full; of the others
only that there is exactly one.
"""

from __future__ import annotations

from collections.abc import Callable

from podyard.api.validation import formats
from podyard.api.validation.environment import VOLUME_FIELDS, field_ref, resource_field_ref
from podyard.api.validation.fields import (
    Errors,
    Object,
    duplicate,
    forbidden,
    indexed,
    invalid,
    not_supported,
    one_of,
    required,
)
from podyard.api.validation.quantities import value

_HOST_PATH_TYPES = (
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
)
_LEAST_TOKEN_SECONDS = 600


def volumes(path: str, given: list[Object] | None) -> Errors:
    """The `volumes` of a pod spec."""
    seen: set[str] = set()
    for at, volume in indexed(path, given):
        yield from _source(at, volume)
        name = volume.get("name")
        if not name:
            yield required(f"{at}.name")
        else:
            yield from formats.dns_label(f"{at}.name", name)
            if name in seen:
                yield duplicate(f"{at}.name", name)
            seen.add(name)


def _source(path: str, volume: Object) -> Errors:
    given = [key for key, source in volume.items() if key != "name" and source is not None]
    if not given:
        yield required(path, "must specify a volume type")
        return
    if check := _SOURCES.get(given[0]):
        yield from check(f"{path}.{given[0]}", volume[given[0]])
    for other in given[1:]:
        yield forbidden(f"{path}.{other}", "may not specify more than 1 volume type")


def _empty_dir(path: str, source: Object) -> Errors:
    limit = source.get("sizeLimit")
    if limit is not None and ((size := value(limit)) is None or size < 0):
        yield forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _host_path(path: str, source: Object) -> Errors:
    if not source.get("path"):
        yield required(f"{path}.path")
        return
    yield from formats.no_backsteps(f"{path}.path", source["path"])
    if source.get("type") is not None and source["type"] not in _HOST_PATH_TYPES:
        yield not_supported(f"{path}.type", source["type"], _HOST_PATH_TYPES)


def _secret(path: str, source: Object) -> Errors:
    if not source.get("secretName"):
        yield required(f"{path}.secretName")
    yield from _key_files(path, source)


def _config_map(path: str, source: Object) -> Errors:
    if not source.get("name"):
        yield required(f"{path}.name")
    yield from _key_files(path, source)


def _key_files(path: str, source: Object) -> Errors:
    yield from formats.file_mode(f"{path}.defaultMode", source.get("defaultMode"))
    for at, item in indexed(f"{path}.items", source.get("items")):
        if not item.get("key"):
            yield required(f"{at}.key")
        yield from _file(at, item)


def _file(path: str, item: Object) -> Errors:
    if not item.get("path"):
        yield required(f"{path}.path")
    else:
        yield from formats.non_reserved_path(f"{path}.path", item["path"])
    yield from formats.file_mode(f"{path}.mode", item.get("mode"))


def _downward_api(path: str, source: Object) -> Errors:
    yield from formats.file_mode(f"{path}.defaultMode", source.get("defaultMode"))
    for item in source.get("items") or []:
        # Kubernetes states these errors at the volume source, not at its item.
        yield from _file(path, item)
        field, resource = item.get("fieldRef"), item.get("resourceFieldRef")
        if field is not None:
            yield from field_ref(f"{path}.fieldRef", field, VOLUME_FIELDS)
            if resource is not None:
                detail = "fieldRef and resourceFieldRef can not be specified simultaneously"
                yield invalid(path, "resource", detail)
        elif resource is not None:
            yield from resource_field_ref(f"{path}.resourceFieldRef", resource, volume=True)
        else:
            yield required(path, "one of fieldRef and resourceFieldRef is required")


def _projected(path: str, source: Object) -> Errors:
    yield from formats.file_mode(f"{path}.defaultMode", source.get("defaultMode"))
    files: set[str] = set()
    for at, projection in indexed(f"{path}.sources", source.get("sources")):
        given = [key for key, value in projection.items() if value is not None]
        for key in given:
            yield from _projection(f"{at}.{key}", key, projection[key])
            for item in projection[key].get("items") or []:
                if item.get("path") in files:
                    shown = projection[key].get("name") or item["path"]
                    yield invalid(path, shown, "conflicting duplicate paths")
                files.add(item.get("path") or "")
        if len(given) > 1:
            yield forbidden(at, "may not specify more than 1 volume type per source")


def _projection(path: str, kind: str, source: Object) -> Errors:
    match kind:
        case "secret" | "configMap":
            yield from _config_map(path, source)
        case "downwardAPI":
            yield from _downward_api(path, source)
        case "serviceAccountToken":
            seconds = source.get("expirationSeconds", 3600)
            at = f"{path}.expirationSeconds"
            if seconds < _LEAST_TOKEN_SECONDS:
                yield invalid(at, seconds, "may not specify a duration less than 10 minutes")
            if seconds > 2**32:
                yield invalid(at, seconds, "may not specify a duration larger than 2^32 seconds")
            yield from _file(path, {"path": source.get("path")})


def _claim(path: str, source: Object) -> Errors:
    if not source.get("claimName"):
        yield required(f"{path}.claimName")


def _nfs(path: str, source: Object) -> Errors:
    for key in ("server", "path"):
        if not source.get(key):
            yield required(f"{path}.{key}")
    if not (source.get("path") or "").startswith("/"):
        yield invalid(f"{path}.path", source.get("path") or "", "must be an absolute path")


def _image(path: str, source: Object) -> Errors:
    yield from one_of(f"{path}.pullPolicy", source.get("pullPolicy"), formats.PULL_POLICIES)


_SOURCES: dict[str, Callable[[str, Object], Errors]] = {
    "emptyDir": _empty_dir,
    "hostPath": _host_path,
    "secret": _secret,
    "configMap": _config_map,
    "downwardAPI": _downward_api,
    "projected": _projected,
    "persistentVolumeClaim": _claim,
    "nfs": _nfs,
    "image": _image,
}
