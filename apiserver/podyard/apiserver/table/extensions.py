"""What extends or tunes the API: webhooks, admission policies, definitions, flow control, devices."""

from __future__ import annotations

from podyard.apiserver.table import NONE, UNSET, Cells, Object, Printer, columns
from podyard.apiserver.table.fields import age, condition, count, created_at, dig, items, name


def _webhooks(obj: Object, now: float) -> Cells:
    return [name(obj), len(items(obj, "webhooks")), age(obj, now)]


def _admission_policy(obj: Object, now: float) -> Cells:
    param = dig(obj, "spec", "paramKind") or {}
    text = f"{param.get('apiVersion')}/{param.get('kind')}" if param else UNSET
    return [name(obj), len(items(obj, "spec", "validations")), text, age(obj, now)]


def _admission_binding(obj: Object, now: float) -> Cells:
    param = dig(obj, "spec", "paramRef") or {}
    reference = UNSET
    if param:
        parts = (param.get("namespace") or "*", param.get("name") or "*")
        reference = "/".join(parts)
    return [name(obj), dig(obj, "spec", "policyName"), reference, age(obj, now)]


def _definition(obj: Object, now: float) -> Cells:
    return [name(obj), created_at(obj)]


def _api_service(obj: Object, now: float) -> Cells:
    service = dig(obj, "spec", "service")
    available = condition(obj, "Available")
    text = str(available.get("status", "Unknown"))
    if text != "True" and available.get("reason"):
        text = f"{text} ({available['reason']})"
    where = f"{service.get('namespace')}/{service.get('name')}" if service else "Local"
    return [name(obj), where, text, age(obj, now)]


def _flow_schema(obj: Object, now: float) -> Cells:
    dangling = condition(obj, "Dangling")
    return [
        name(obj),
        dig(obj, "spec", "priorityLevelConfiguration", "name"),
        count(obj, "spec", "matchingPrecedence"),
        dig(obj, "spec", "distinguisherMethod", "type") or NONE,
        age(obj, now),
        str(dangling.get("status", "?")),
    ]


def _priority_level(obj: Object, now: float) -> Cells:
    limited = dig(obj, "spec", "limited") or {}
    queuing = dig(limited, "limitResponse", "queuing") or {}
    return [
        name(obj),
        dig(obj, "spec", "type"),
        limited.get("nominalConcurrencyShares", NONE),
        queuing.get("queues", NONE),
        queuing.get("handSize", NONE),
        queuing.get("queueLengthLimit", NONE),
        age(obj, now),
    ]


def _runtime_class(obj: Object, now: float) -> Cells:
    return [name(obj), dig(obj, "handler"), age(obj, now)]


def _resource_claim(obj: Object, now: float) -> Cells:
    states = []
    if dig(obj, "metadata", "deletionTimestamp"):
        states.append("deleted")
    if not dig(obj, "status", "allocation"):
        states.append("pending")
    else:
        states.append("allocated")
        states.append("reserved" if items(obj, "status", "reservedFor") else "")
    return [name(obj), ",".join(s for s in states if s), age(obj, now)]


def _resource_slice(obj: Object, now: float) -> Cells:
    return [
        name(obj),
        dig(obj, "spec", "nodeName") or "",
        dig(obj, "spec", "driver"),
        dig(obj, "spec", "pool", "name") or "",
        age(obj, now),
    ]


_ADMISSION = "admissionregistration.k8s.io"
_FLOW = "flowcontrol.apiserver.k8s.io"
_WEBHOOKS = Printer(columns("Name | Webhooks:int | Age"), _webhooks)

PRINTERS = {
    (_ADMISSION, "mutatingwebhookconfigurations"): _WEBHOOKS,
    (_ADMISSION, "validatingwebhookconfigurations"): _WEBHOOKS,
    (_ADMISSION, "validatingadmissionpolicies"): Printer(
        columns("Name | Validations:int | ParamKind | Age"), _admission_policy
    ),
    (_ADMISSION, "validatingadmissionpolicybindings"): Printer(
        columns("Name | PolicyName | ParamRef | Age"), _admission_binding
    ),
    ("apiextensions.k8s.io", "customresourcedefinitions"): Printer(columns("Name | Created At"), _definition),
    ("apiregistration.k8s.io", "apiservices"): Printer(
        columns("Name | Service | Available | Age"), _api_service
    ),
    (_FLOW, "flowschemas"): Printer(
        columns("Name | PriorityLevel | MatchingPrecedence:int | DistinguisherMethod | Age | MissingPL"),
        _flow_schema,
    ),
    (_FLOW, "prioritylevelconfigurations"): Printer(
        columns("Name | Type | NominalConcurrencyShares | Queues | HandSize | QueueLengthLimit | Age"),
        _priority_level,
    ),
    ("node.k8s.io", "runtimeclasses"): Printer(columns("Name | Handler | Age"), _runtime_class),
    ("resource.k8s.io", "resourceclaims"): Printer(columns("Name | State | Age"), _resource_claim),
    ("resource.k8s.io", "resourceslices"): Printer(
        columns("Name | Node | Driver | Pool | Age"), _resource_slice
    ),
}
