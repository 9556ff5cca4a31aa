"""Jobs and CronJobs (k8s.io/kubernetes pkg/apis/batch/validation)."""

from __future__ import annotations

from podyard.api import names
from podyard.api.validation.cron import schedule_error
from podyard.api.validation.fields import (
    Errors,
    Object,
    immutable,
    invalid,
    non_negative,
    not_supported,
    one_of,
    required,
)
from podyard.api.validation.labels import label_selector, parsed
from podyard.api.validation.podspec import pod_template
from podyard.api.validation.templates import NO_MATCH

_CONTROLLER_UID = ("batch.kubernetes.io/controller-uid", "controller-uid")
_MODES = ("Indexed", "NonIndexed")
_REPLACEMENTS = ("Failed", "TerminatingOrFailed")
_COUNTS = (
    "parallelism",
    "completions",
    "activeDeadlineSeconds",
    "backoffLimit",
    "ttlSecondsAfterFinished",
    "backoffLimitPerIndex",
    "maxFailedIndexes",
)
_MAX_CRON_JOB_NAME = 52
# Kubernetes lets these be changed as long as the Job has not started.
_FIXED = ("completionMode", "podFailurePolicy", "backoffLimitPerIndex", "successPolicy", "managedBy")


def job_create(job: Object) -> Errors:
    """A new Job, whose selector has been generated."""
    spec = job.get("spec") or {}
    yield from _generated_selector(job, spec)
    yield from _selected(spec)
    yield from _indexed_name(job, spec)


def job_update(job: Object, old: Object) -> Errors:
    """A Job that replaces `old`."""
    spec, before = job.get("spec") or {}, old.get("spec") or {}
    if spec == before:
        return
    yield from _selected(spec)
    indexed = spec.get("completionMode") == "Indexed"
    if not indexed or spec.get("completions") != spec.get("parallelism"):
        yield from immutable("spec.completions", spec.get("completions"), before.get("completions"))
    yield from immutable("spec.selector", spec.get("selector"), before.get("selector"))
    if not (before.get("suspend") and not (old.get("status") or {}).get("startTime")):
        yield from immutable("spec.template", spec.get("template"), before.get("template"))
    for key in _FIXED:
        yield from immutable(f"spec.{key}", spec.get(key), before.get(key))


def _generated_selector(job: Object, spec: Object) -> Errors:
    selector = spec.get("selector")
    if spec.get("manualSelector") or selector is None:
        return
    uid = (job.get("metadata") or {}).get("uid")
    if not uid:
        yield required("metadata.uid")
    if selector not in [{"matchLabels": {key: uid}} for key in _CONTROLLER_UID]:
        yield invalid("spec.selector", selector, "`selector` not auto-generated")


def _selected(spec: Object) -> Errors:
    yield from job_spec("spec", spec)
    selector = spec.get("selector")
    if selector is None:
        yield required("spec.selector")
    yield from label_selector("spec.selector", selector)
    matcher = parsed(selector)
    given = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if matcher is not None and not matcher.matches(given):
        yield invalid("spec.template.metadata.labels", given, NO_MATCH)


def _indexed_name(job: Object, spec: Object) -> Errors:
    """The pods of an indexed Job are called by its name and a number, which is their hostname too."""
    completions = spec.get("completions") or 0
    if spec.get("completionMode") != "Indexed" or completions <= 0:
        return
    name = (job.get("metadata") or {}).get("name") or ""
    for error in names.is_dns1123_label(f"{name}-{completions - 1}"):
        yield invalid("metadata.name", name, f"will not able to create pod with invalid DNS label: {error}")


def job_spec(path: str, spec: Object) -> Errors:
    """A Job's spec, but for its selector."""
    for key in _COUNTS:
        yield from non_negative(f"{path}.{key}", spec.get(key))
    mode = spec.get("completionMode")
    if mode is not None and mode not in _MODES:
        yield not_supported(f"{path}.completionMode", mode, _MODES)
    if mode == "Indexed":
        if spec.get("completions") is None:
            yield required(f"{path}.completions", "when completion mode is Indexed")
    elif spec.get("backoffLimitPerIndex") is not None:
        at = f"{path}.backoffLimitPerIndex"
        yield invalid(at, spec["backoffLimitPerIndex"], "requires indexed completion mode")
    replacement = spec.get("podReplacementPolicy")
    if replacement is not None and replacement not in _REPLACEMENTS:
        yield not_supported(f"{path}.podReplacementPolicy", replacement, _REPLACEMENTS)
    yield from pod_template(f"{path}.template", spec.get("template"))
    policy = ((spec.get("template") or {}).get("spec") or {}).get("restartPolicy")
    at = f"{path}.template.spec.restartPolicy"
    if policy in (None, "", "Always"):
        yield required(at, 'valid values: "OnFailure", "Never"')
    elif policy not in ("Never", "OnFailure"):
        yield not_supported(at, policy, ("Never", "OnFailure"))
    elif spec.get("podFailurePolicy") is not None and policy != "Never":
        yield invalid(at, policy, 'only "Never" is supported when podFailurePolicy is specified')


def cron_job_create(cron_job: Object) -> Errors:
    """A CronJob. Its Jobs' names have a number of eleven characters after its own."""
    yield from _cron_job(cron_job.get("spec") or {})
    name = (cron_job.get("metadata") or {}).get("name") or ""
    if len(name) > _MAX_CRON_JOB_NAME:
        yield invalid("metadata.name", name, f"must be no more than {_MAX_CRON_JOB_NAME} characters")


def cron_job_update(cron_job: Object, old: Object) -> Errors:
    """A CronJob that replaces `old`."""
    if cron_job.get("spec") != old.get("spec"):
        yield from _cron_job(cron_job.get("spec") or {})


def _cron_job(spec: Object) -> Errors:
    schedule, zone = spec.get("schedule") or "", spec.get("timeZone")
    if not schedule:
        yield required("spec.schedule")
    elif "TZ" in schedule:
        detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead"
        yield invalid("spec.schedule", schedule, detail)
    elif error := schedule_error(schedule):
        yield invalid("spec.schedule", schedule, error)
    if zone == "":
        yield invalid("spec.timeZone", zone, "timeZone must be nil or non-empty string")
    elif zone is not None and zone.lower() == "local":
        yield invalid(
            "spec.timeZone",
            zone,
            "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones",
        )
    for key in ("startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"):
        yield from non_negative(f"spec.{key}", spec.get(key))
    yield from one_of("spec.concurrencyPolicy", spec.get("concurrencyPolicy"), ("Allow", "Forbid", "Replace"))
    template = (spec.get("jobTemplate") or {}).get("spec") or {}
    yield from job_spec("spec.jobTemplate.spec", template)
    if template.get("selector") is not None:
        at = "spec.jobTemplate.spec.selector"
        yield invalid(at, template["selector"], "`selector` will be auto-generated")
    if template.get("manualSelector"):
        yield not_supported("spec.jobTemplate.spec.manualSelector", True, ("nil", "false"))
