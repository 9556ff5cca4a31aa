"""Request bodies: from bytes to objects, and the options that ride in body and query."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import orjson
import yaml
from aiohttp import web

from podyard.api.errors import StatusError, bad_request, unsupported_media_type
from podyard.api.resources import Resource
from podyard.api.schema import check
from podyard.apiserver.context import user_of, warnings_of
from podyard.apiserver.protobuf import decode as protobuf
from podyard.apiserver.protobuf.decode import Undecodable
from podyard.apiserver.registry import FieldValidation, WriteOptions

MAX_BODY_BYTES = 3 * 1024 * 1024
"""The largest request body, as kube-apiserver's."""

_YAML = ("application/yaml", "text/yaml", "application/x-yaml")
_PROTOBUF = "application/vnd.kubernetes.protobuf"
_VALIDATIONS: dict[str, FieldValidation] = {name: name for name in get_args(FieldValidation)}
Object = dict[str, Any]


class _KubernetesYaml(yaml.CSafeLoader):
    """YAML as sigs.k8s.io/yaml reads it: a date is a string."""


_KubernetesYaml.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.CSafeLoader.yaml_implicit_resolvers.items()
}


def decode(body: bytes, content_type: str) -> Any:
    """Decode a body by its media type. Raises StatusError 400 or 415."""
    try:
        if content_type in _YAML:
            return yaml.load(body, Loader=_KubernetesYaml)
        if content_type in ("application/json", "application/octet-stream", ""):
            return orjson.loads(body)
        if content_type == _PROTOBUF:
            return protobuf.decode(body)
    except Undecodable as error:
        raise bad_request(str(error)) from None
    except (orjson.JSONDecodeError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise bad_request(f"the request body cannot be decoded: {error}") from None
    raise _unsupported()


def _unsupported() -> StatusError:
    return unsupported_media_type(
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    )


async def read_object(request: web.Request, api_version: str, kind: str) -> Object:
    """The object in the body. One without `apiVersion` and `kind` is taken as the expected.

    Raises StatusError 400 when it is another kind, or no object at all.
    """
    obj = decode(await request.read(), request.content_type)
    if not isinstance(obj, dict):
        raise bad_request(
            f"the object provided is unrecognized (must be of type {kind}): "
            f"json: cannot unmarshal {_json_type(obj)} into Go value of type {kind}"
        )
    obj.setdefault("apiVersion", api_version)
    obj.setdefault("kind", kind)
    if obj["kind"] != kind:
        raise bad_request(
            f'{obj["kind"]} in version "{obj["apiVersion"]}" cannot be handled as a {kind}: '
            f"converting ({obj['apiVersion']}.{obj['kind']}) to ({api_version}.{kind}): unknown conversion"
        )
    if obj["apiVersion"] != api_version:
        raise bad_request(
            f"the API version in the data ({obj['apiVersion']}) does not match "
            f"the expected API version ({api_version})"
        )
    return obj


def _json_type(value: Any) -> str:
    names = {list: "array", str: "string", bool: "bool", int: "number", float: "number"}
    return names.get(type(value), "null")


def check_identity(obj: Object, resource: Resource, namespace: str, name: str = "") -> None:
    """Refuse (400) an object whose namespace or name is not that of the URL."""
    metadata = obj.get("metadata")
    if not isinstance(metadata, dict):
        return
    own = metadata.get("namespace") or ""
    if resource.namespaced and own and own != namespace:
        raise bad_request(
            f"the namespace of the provided object does not match the namespace sent on the request "
            f"({own} vs {namespace})"
        )
    own_name = metadata.get("name") or ""
    if name and own_name and own_name != name:
        raise bad_request(f"the name of the object ({own_name}) does not match the name on the URL ({name})")


def write_options(request: web.Request, delete_options: Mapping[str, Any] | None = None) -> WriteOptions:
    """What the query (and, for a delete, the body) says about how to write."""
    query = request.query
    dry_run = query.getall("dryRun", []) or (delete_options or {}).get("dryRun") or []
    if any(value not in ("All", "") for value in dry_run):
        raise bad_request(f'dryRun: Unsupported value: "{dry_run[0]}": supported values: "All"')
    validation = _VALIDATIONS.get(query.get("fieldValidation") or "Warn")
    if validation is None:
        raise bad_request(
            f'fieldValidation: Unsupported value: "{query["fieldValidation"]}": '
            'supported values: "Ignore", "Strict", "Warn"'
        )
    return WriteOptions(
        user=user_of(request),
        dry_run="All" in dry_run,
        field_validation=validation,
        warnings=warnings_of(request),
    )


async def read_delete_options(request: web.Request) -> Object:
    """DeleteOptions from the body, or from the query when there is no body."""
    body = await request.read()
    if body:
        options = decode(body, request.content_type)
        if not isinstance(options, dict):
            raise bad_request("the request body is not a DeleteOptions object")
        checked = check("v1", "DeleteOptions", options)
        if checked.errors:
            raise bad_request(f"DeleteOptions cannot be decoded: {checked.errors[0]}")
        return options
    options = {}
    query = request.query
    if "gracePeriodSeconds" in query:
        options["gracePeriodSeconds"] = integer(query, "gracePeriodSeconds")
    if "propagationPolicy" in query:
        options["propagationPolicy"] = query["propagationPolicy"]
    if "orphanDependents" in query:
        options["orphanDependents"] = boolean(query, "orphanDependents")
    return options


def integer(query: Mapping[str, str], key: str, default: int = 0) -> int:
    """A whole number of the query. Raises StatusError 400."""
    text = query.get(key, "")
    try:
        number = int(text) if text else default
    except ValueError:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
    if not -(2**63) <= number < 2**63:
        raise bad_request(f'strconv.ParseInt: parsing "{text}": value out of range')
    return number


def boolean(query: Mapping[str, str], key: str, default: bool = False) -> bool:
    """A truth value of the query, by Kubernetes' rule: present and neither "0" nor "false" is true."""
    if key not in query:
        return default
    return query[key].lower() not in ("0", "false")
