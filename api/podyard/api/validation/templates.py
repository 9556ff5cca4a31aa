"""What all workloads have: a selector, and a pod template that it matches (pkg/apis/apps/validation)."""

from __future__ import annotations

from podyard.api.validation.fields import (
    Errors,
    Object,
    forbidden,
    immutable,
    invalid,
    not_supported,
    required,
)
from podyard.api.validation.labels import label_selector, parsed
from podyard.api.validation.podspec import pod_template

NO_MATCH = "`selector` does not match template `labels`"


def spec_of(obj: Object) -> Object:
    """The spec of a workload, empty when it has none."""
    return obj.get("spec") or {}


def same_selector(new: Object, old: Object) -> Errors:
    """The selector stays as long as the workload lives."""
    yield from immutable("spec.selector", spec_of(new).get("selector"), spec_of(old).get("selector"))


def selector_and_template(
    spec: Object, old: Object, *, empty: str, owner: str, claims: set[str | None] | None = None
) -> Errors:
    """The selector, the template that it must match, and the pods of that template.

    `empty` is what Kubernetes calls the kind when the selector is empty, `owner` elsewhere;
    `claims` are volumes that the workload adds to its pods; `old` is the spec before, if any.
    """
    selector, template = spec.get("selector"), spec.get("template") or {}
    if selector is None:
        yield required("spec.selector")
    else:
        yield from label_selector("spec.selector", selector)
        if not selector.get("matchLabels") and not selector.get("matchExpressions"):
            yield invalid("spec.selector", selector, f"empty selector is invalid for {empty}")
    matcher = parsed(selector)
    given = (template.get("metadata") or {}).get("labels")
    if matcher is None:
        yield invalid("spec.selector", selector, "invalid label selector")
    elif not matcher.matches(given):
        yield invalid("spec.template.metadata.labels", given, NO_MATCH)
    yield from template_of(spec, old, owner=owner, claims=claims)


def template_of(spec: Object, old: Object, *, owner: str, claims: set[str | None] | None = None) -> Errors:
    """The pod template of a workload: its pods restart always and have no deadline."""
    template = spec.get("template") or {}
    pod = template.get("spec") or {}
    if claims:
        # The claims become volumes of the pods, so containers may mount them.
        extra = [
            {"name": name, "persistentVolumeClaim": {"claimName": name}} for name in sorted(map(str, claims))
        ]
        known = {volume.get("name") for volume in pod.get("volumes") or []}
        merged = [*(pod.get("volumes") or []), *(volume for volume in extra if volume["name"] not in known)]
        template = {**template, "spec": {**pod, "volumes": merged}}
    # A template that did not change was looked at when it was written.
    changed = pod != ((old.get("template") or {}).get("spec"))
    yield from pod_template("spec.template", template, check_spec=changed)
    policy = pod.get("restartPolicy")
    if policy != "Always":
        yield not_supported("spec.template.spec.restartPolicy", policy, ("Always",))
    if pod.get("activeDeadlineSeconds") is not None:
        detail = f"activeDeadlineSeconds in {owner} is not Supported"
        yield forbidden("spec.template.spec.activeDeadlineSeconds", detail)
