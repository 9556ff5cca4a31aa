"""Conversion of the two kinds that are served in more than one version.

HorizontalPodAutoscaler v1 keeps what it has no fields for in annotations, so nothing is lost on
the way to it and back. Event has the same facts under other names in its two groups. Source:
kubernetes/pkg/apis/autoscaling/v1/conversion.go, pkg/apis/events/v1/conversion.go.
"""

from __future__ import annotations

from typing import Any

import orjson

Object = dict[str, Any]

_ANNOTATION = "autoscaling.alpha.kubernetes.io/"
_METRICS = f"{_ANNOTATION}metrics"
_CURRENT_METRICS = f"{_ANNOTATION}current-metrics"
_CONDITIONS = f"{_ANNOTATION}conditions"
_BEHAVIOR = f"{_ANNOTATION}behavior"

# events.k8s.io/v1 name: v1 name
_EVENT_FIELDS = {
    "regarding": "involvedObject",
    "note": "message",
    "reportingController": "reportingComponent",
    "deprecatedSource": "source",
    "deprecatedFirstTimestamp": "firstTimestamp",
    "deprecatedLastTimestamp": "lastTimestamp",
    "deprecatedCount": "count",
}
_CORE_EVENT_FIELDS = {old: new for new, old in _EVENT_FIELDS.items()}


def convert(obj: Object, to_group_version: str) -> Object:
    """The object in another version of its kind; may share parts with `obj`, which stays as it is.

    ValueError when there is no such conversion, or when an annotation that carries fields is broken.
    """
    kind, version = obj.get("kind", ""), obj.get("apiVersion", "")
    match (kind, version, to_group_version):
        case (_, same, wanted) if same == wanted:
            return obj
        case ("HorizontalPodAutoscaler", "autoscaling/v1", "autoscaling/v2"):
            return _hpa_to_v2(obj)
        case ("HorizontalPodAutoscaler", "autoscaling/v2", "autoscaling/v1"):
            return _hpa_to_v1(obj)
        case ("Event", "events.k8s.io/v1", "v1"):
            return _renamed(obj, _EVENT_FIELDS, to_group_version)
        case ("Event", "v1", "events.k8s.io/v1"):
            return _renamed(obj, _CORE_EVENT_FIELDS, to_group_version)
    raise ValueError(f"converting ({version}.{kind}) to ({to_group_version}.{kind}): unknown conversion")


def _renamed(obj: Object, names: dict[str, str], group_version: str) -> Object:
    renamed = {names.get(key, key): value for key, value in obj.items()}
    return {**renamed, "apiVersion": group_version}


def _hpa_to_v1(obj: Object) -> Object:
    spec, status = dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    metrics, behavior = spec.pop("metrics", None) or [], spec.pop("behavior", None)
    current, conditions = status.pop("currentMetrics", None) or [], status.pop("conditions", None)
    for metric in metrics:
        if (target := _cpu_utilization(metric, "target")) is not None:
            spec.setdefault("targetCPUUtilizationPercentage", target)
    for metric in current:
        if (found := _cpu_utilization(metric, "current")) is not None:
            status["currentCPUUtilizationPercentage"] = found
    others = [metric for metric in metrics if _cpu_utilization(metric, "target") is None]
    kept: dict[str, Any] = {
        _METRICS: [_metric_to_v1(metric, "target") for metric in others],
        _CURRENT_METRICS: [_metric_to_v1(metric, "current") for metric in current],
        _CONDITIONS: conditions,
        _BEHAVIOR: _with_key_case(behavior, str.upper),
    }
    metadata = dict(obj.get("metadata") or {})
    annotations = {key: orjson.dumps(value).decode() for key, value in kept.items() if value}
    if annotations:
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **annotations}
    return _assembled(obj, "autoscaling/v1", metadata, spec, status)


def _hpa_to_v2(obj: Object) -> Object:
    spec, status = dict(obj.get("spec") or {}), dict(obj.get("status") or {})
    metadata = dict(obj.get("metadata") or {})
    annotations = dict(metadata.get("annotations") or {})
    target = spec.pop("targetCPUUtilizationPercentage", None)
    found = status.pop("currentCPUUtilizationPercentage", None)
    metrics = [_metric_to_v2(metric, "target") for metric in _carried(annotations, _METRICS) or []]
    if target is not None:
        cpu_target = {"type": "Utilization", "averageUtilization": target}
        metrics.append({"type": "Resource", "resource": {"name": "cpu", "target": cpu_target}})
    current = [_metric_to_v2(metric, "current") for metric in _carried(annotations, _CURRENT_METRICS) or []]
    if found is not None and not current:
        current = [
            {"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": found}}}
        ]
    fields = (
        (spec, "metrics", metrics),
        (spec, "behavior", _with_key_case(_carried(annotations, _BEHAVIOR), str.lower)),
        (status, "currentMetrics", current),
        (status, "conditions", _carried(annotations, _CONDITIONS)),
    )
    for part, name, value in fields:
        if value:
            part[name] = value
    if metadata.pop("annotations", None) is not None and annotations:
        metadata["annotations"] = annotations
    return _assembled(obj, "autoscaling/v2", metadata, spec, status)


def _assembled(obj: Object, version: str, metadata: Object, spec: Object, status: Object) -> Object:
    converted = {**obj, "apiVersion": version, "metadata": metadata, "spec": spec, "status": status}
    return {key: value for key, value in converted.items() if value or key in obj}


def _carried(annotations: dict[str, str], key: str) -> Any:
    """What an annotation carries; it is taken out of the annotations."""
    text = annotations.pop(key, None)
    if text is None:
        return None
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"metadata.annotations[{key}]: {error}") from None


def _with_key_case(value: Any, case: Any) -> Any:
    # The annotation holds Kubernetes' internal type, whose fields start with capitals.
    if isinstance(value, dict):
        return {
            case(key[:1]) + key[1:]: _with_key_case(item, case)
            for key, item in value.items()
            if item is not None
        }
    return [_with_key_case(item, case) for item in value] if isinstance(value, list) else value


def _cpu_utilization(metric: Object, part: str) -> int | None:
    """The percentage of a metric on CPU utilization, which v1 has a field for; None for others."""
    resource = metric.get("resource") or {}
    if metric.get("type") != "Resource" or resource.get("name") != "cpu":
        return None
    found: int | None = (resource.get(part) or {}).get("averageUtilization")
    return found


def _source_key(metric: Object) -> str:
    kind = str(metric.get("type", ""))
    return kind[:1].lower() + kind[1:]


def _value_name(source: str, part: str, name: str) -> str:
    """The v1 name of a metric's value: "targetAverageValue", "currentValue"."""
    if source == "object" and name == "averageValue":
        return name
    return part + name[0].upper() + name[1:]


_VALUES = ("value", "averageValue", "averageUtilization")


def _metric_to_v1(metric: Object, part: str) -> Object:
    """A v2 metric as the annotations have it. `part` is "target" (spec) or "current" (status)."""
    key = _source_key(metric)
    source = dict(metric.get(key) or {})
    values, identity = source.pop(part, None) or {}, source.pop("metric", None)
    old = {name: value for name, value in source.items() if name != "describedObject"}
    if "describedObject" in source:
        old["target"] = source["describedObject"]
    if identity is not None:
        old["metricName"] = identity.get("name", "")
        if "selector" in identity:
            old["metricSelector" if key == "external" else "selector"] = identity["selector"]
    old |= {_value_name(key, part, name): values[name] for name in _VALUES if name in values}
    return {**metric, key: old}


def _metric_to_v2(metric: Object, part: str) -> Object:
    """A metric of the annotations as v2 has it."""
    key = _source_key(metric)
    old = dict(metric.get(key) or {})
    source: Object = {name: old[name] for name in ("name", "container") if name in old}
    if "target" in old:
        source["describedObject"] = old["target"]
    if "metricName" in old:
        selector = old.get("metricSelector" if key == "external" else "selector")
        source["metric"] = {"name": old["metricName"]} | (
            {"selector": selector} if selector is not None else {}
        )
    values = {name: old[was] for name in _VALUES if (was := _value_name(key, part, name)) in old}
    source[part] = {"type": _target_type(values), **values} if part == "target" else values
    return {**metric, key: source}


def _target_type(values: Object) -> str:
    if "averageUtilization" in values:
        return "Utilization"
    return "AverageValue" if "averageValue" in values else "Value"
