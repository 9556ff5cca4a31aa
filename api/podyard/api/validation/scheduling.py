"""Where a pod may run: tolerations, affinity, node selectors, topology spread, taints (core/validation)."""

from __future__ import annotations

from podyard.api import names
from podyard.api.errors import FieldError
from podyard.api.validation import formats
from podyard.api.validation.fields import (
    Errors,
    Object,
    duplicate,
    forbidden,
    indexed,
    invalid,
    invalid_all,
    not_supported,
    required,
)
from podyard.api.validation.labels import label_key, label_selector

_EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
_REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"
_PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution"
_NOT_POSITIVE = "must be greater than zero"


def tolerations(path: str, given: list[Object] | None) -> Errors:
    """The taints that a pod bears."""
    for at, toleration in indexed(path, given):
        key, operator = toleration.get("key"), toleration.get("operator") or ""
        value, effect = toleration.get("value") or "", toleration.get("effect") or ""
        if key:
            yield from label_key(f"{at}.key", key)
        elif operator != "Exists":
            detail = (
                'operator must be Exists when `key` is empty, which means "match all values and all keys"'
            )
            yield invalid(f"{at}.operator", operator, detail)
        if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
            detail = "effect must be 'NoExecute' when `tolerationSeconds` is set"
            yield invalid(f"{at}.effect", effect, detail)
        if operator in ("", "Equal"):
            if errors := names.is_label_value(value):
                yield invalid(f"{at}.operator", value, ";".join(errors))
        elif operator == "Exists":
            if value:
                yield invalid(f"{at}.operator", value, "value must be empty when `operator` is 'Exists'")
        else:
            yield not_supported(f"{at}.operator", operator, ("Equal", "Exists"))
        if effect and effect not in _EFFECTS:
            yield not_supported(f"{at}.effect", effect, _EFFECTS)


def taints(path: str, given: list[Object] | None) -> Errors:
    """The taints of a Node."""
    seen: set[tuple[str, str]] = set()
    for at, taint in indexed(path, given):
        key, value, effect = taint.get("key") or "", taint.get("value") or "", taint.get("effect") or ""
        yield from label_key(f"{at}.key", key)
        if errors := names.is_label_value(value):
            yield invalid(f"{at}.value", value, ";".join(errors))
        if not effect:
            yield required(f"{at}.effect")
        elif effect not in _EFFECTS:
            yield not_supported(f"{at}.effect", effect, _EFFECTS)
        if (key, effect) in seen:
            error = duplicate(at, taint)
            detail = "taints must be unique by key and effect pair"
            yield FieldError(error.path, error.reason, f"{error.message}: {detail}")
        seen.add((key, effect))


def affinity(path: str, given: Object | None) -> Errors:
    """A pod's `affinity`."""
    given = given or {}
    node = given.get("nodeAffinity") or {}
    if (selector := node.get(_REQUIRED)) is not None:
        yield from node_selector(f"{path}.nodeAffinity.{_REQUIRED}", selector)
    for at, term in indexed(f"{path}.nodeAffinity.{_PREFERRED}", node.get(_PREFERRED)):
        yield from _weight(at, term)
        # Values that are no labels are let pass here, as a preference may fail without harm.
        yield from _node_term(f"{at}.preference", term.get("preference") or {}, check_values=False)
    for key in ("podAffinity", "podAntiAffinity"):
        pods = given.get(key) or {}
        for at, term in indexed(f"{path}.{key}.{_REQUIRED}", pods.get(_REQUIRED)):
            yield from _pod_term(at, term)
        for at, term in indexed(f"{path}.{key}.{_PREFERRED}", pods.get(_PREFERRED)):
            yield from _weight(at, term)
            yield from _pod_term(f"{at}.podAffinityTerm", term.get("podAffinityTerm") or {})


def _weight(path: str, term: Object) -> Errors:
    weight = term.get("weight") or 0
    if not 1 <= weight <= 100:
        yield invalid(f"{path}.weight", weight, "must be in the range 1-100")


def node_selector(path: str, selector: Object) -> Errors:
    """A NodeSelector: any of some terms."""
    terms = selector.get("nodeSelectorTerms")
    if not terms:
        yield required(f"{path}.nodeSelectorTerms", "must have at least one node selector term")
    for at, term in indexed(f"{path}.nodeSelectorTerms", terms):
        yield from _node_term(at, term, check_values=True)


def _node_term(path: str, term: Object, *, check_values: bool) -> Errors:
    for at, expression in indexed(f"{path}.matchExpressions", term.get("matchExpressions")):
        yield from _node_requirement(at, expression, check_values=check_values)
    for at, expression in indexed(f"{path}.matchFields", term.get("matchFields")):
        yield from _node_field(at, expression)


def _node_requirement(path: str, expression: Object, *, check_values: bool) -> Errors:
    operator, values = expression.get("operator"), expression.get("values") or []
    if operator in ("In", "NotIn"):
        if not values:
            yield required(f"{path}.values", "must be specified when `operator` is 'In' or 'NotIn'")
    elif operator in ("Exists", "DoesNotExist"):
        if values:
            detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'"
            yield forbidden(f"{path}.values", detail)
    elif operator in ("Gt", "Lt"):
        if len(values) != 1:
            detail = "must be specified single value when `operator` is 'Lt' or 'Gt'"
            yield required(f"{path}.values", detail)
    else:
        yield invalid(f"{path}.operator", operator, "not a valid selector operator")
    yield from label_key(f"{path}.key", expression.get("key") or "")
    if check_values:
        for at, value in indexed(f"{path}.values", values):
            yield from invalid_all(at, value, names.is_label_value(value))


def _node_field(path: str, expression: Object) -> Errors:
    operator, values = expression.get("operator"), expression.get("values") or []
    if operator not in ("In", "NotIn"):
        yield invalid(f"{path}.operator", operator, "not a valid selector operator")
    elif len(values) != 1:
        detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector"
        yield required(f"{path}.values", detail)
    if expression.get("key") != "metadata.name":
        yield invalid(f"{path}.key", expression.get("key"), "not a valid field selector key")
    else:
        for at, value in indexed(f"{path}.values", values):
            yield from formats.dns_subdomain(at, value)


def _pod_term(path: str, term: Object) -> Errors:
    selector = term.get("labelSelector")
    yield from label_selector(f"{path}.labelSelector", selector)
    yield from label_selector(f"{path}.namespaceSelector", term.get("namespaceSelector"))
    for namespace in term.get("namespaces") or []:
        yield from invalid_all(f"{path}.namespace", namespace, names.is_dns1123_label(namespace))
    for key in ("matchLabelKeys", "mismatchLabelKeys"):
        if term.get(key) and selector is None:
            yield forbidden(f"{path}.{key}", "must not be specified when labelSelector is not set")
        for at, label in indexed(f"{path}.{key}", term.get(key)):
            yield from label_key(at, label)
    topology = term.get("topologyKey") or ""
    if not topology:
        yield required(f"{path}.topologyKey", "can not be empty")
    yield from label_key(f"{path}.topologyKey", topology)


def topology_spread(path: str, constraints: list[Object] | None) -> Errors:
    """A pod's `topologySpreadConstraints`."""
    seen: list[tuple[str, str]] = [_spread_kind(constraint) for constraint in constraints or []]
    for index, (at, constraint) in enumerate(indexed(path, constraints)):
        skew, key = constraint.get("maxSkew") or 0, constraint.get("topologyKey")
        action, domains = constraint.get("whenUnsatisfiable"), constraint.get("minDomains")
        if skew <= 0:
            yield invalid(f"{at}.maxSkew", skew, _NOT_POSITIVE)
        if not key:
            yield required(f"{at}.topologyKey", "can not be empty")
        if action not in ("DoNotSchedule", "ScheduleAnyway"):
            values = ("DoNotSchedule", "ScheduleAnyway")
            yield not_supported(f"{at}.whenUnsatisfiable", action or "", values)
        if seen[index] in seen[index + 1 :]:
            yield duplicate(f"{at}.{{topologyKey, whenUnsatisfiable}}", f"{{{key}, {action}}}")
        if domains is not None and domains <= 0:
            yield invalid(f"{at}.minDomains", domains, _NOT_POSITIVE)
        if domains is not None and action != "DoNotSchedule":
            detail = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
            yield invalid(f"{at}.minDomains", domains, detail)
        for name in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
            if constraint.get(name) is not None and constraint[name] not in ("Honor", "Ignore"):
                yield not_supported(f"{at}.{name}", constraint[name], ("Honor", "Ignore"))
        yield from _spread_labels(at, constraint)


def _spread_kind(constraint: Object) -> tuple[str, str]:
    return constraint.get("topologyKey") or "", constraint.get("whenUnsatisfiable") or ""


def _spread_labels(path: str, constraint: Object) -> Errors:
    selector, keys = constraint.get("labelSelector"), constraint.get("matchLabelKeys")
    if keys and selector is None:
        detail = "must not be specified when labelSelector is not set"
        yield forbidden(f"{path}.matchLabelKeys", detail)
    selected = {*((selector or {}).get("matchLabels") or {})}
    selected |= {each.get("key") for each in (selector or {}).get("matchExpressions") or []}
    for at, key in indexed(f"{path}.matchLabelKeys", keys):
        yield from label_key(at, key)
        if key in selected:
            yield invalid(at, key, "exists in both matchLabelKeys and labelSelector")
    yield from label_selector(f"{path}.labelSelector", selector)
