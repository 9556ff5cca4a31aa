"""Deployments, ReplicaSets, DaemonSets, StatefulSets, ReplicationControllers, Jobs and CronJobs."""

from __future__ import annotations

from typing import Any

import pytest

from podyard.api.validation.cron import schedule_error

from .conftest import Refused, RefusedUpdate

KINDS = ("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet")
NEGATIVE = "must be greater than or equal to 0"
NO_MATCH = "`selector` does not match template `labels`"
PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or "
    "'93%', regex used "
    "for validation is '[0-9]+%')"
)


def template(**spec: Any) -> dict[str, Any]:
    return {"template": {"spec": spec}}


@pytest.mark.parametrize("kind", [*KINDS, "ReplicationController", "Job", "CronJob"])
def test_good(kind: str, refused: Refused) -> None:
    assert refused(kind, {}) == []


@pytest.mark.parametrize("kind", KINDS)
def test_selector_and_template(kind: str, refused: Refused) -> None:
    other = {"template": {"metadata": {"labels": {"app": "b"}}}}
    assert refused(kind, {"spec": other}) == [
        f'spec.template.metadata.labels: Invalid value: {{"app":"b"}}: {NO_MATCH}'
    ]
    assert refused(kind, {"spec": {"selector": None}}) == [
        "spec.selector: Required value",
        f'spec.template.metadata.labels: Invalid value: {{"app":"web"}}: {NO_MATCH}',
    ]
    (error,) = refused(kind, {"spec": {"selector": {"matchLabels": None}}})
    assert error.startswith("spec.selector: Invalid value: {}: empty selector is invalid for ")
    assert refused(kind, {"spec": template(restartPolicy="OnFailure")}) == [
        'spec.template.spec.restartPolicy: Unsupported value: "OnFailure": supported values: "Always"'
    ]
    (deadline,) = refused(kind, {"spec": template(activeDeadlineSeconds=5)})
    assert deadline.startswith("spec.template.spec.activeDeadlineSeconds: Forbidden: ")
    assert refused(kind, {"spec": template(containers=[{"name": "web"}])}) == [
        "spec.template.spec.containers[0].image: Required value"
    ]


@pytest.mark.parametrize("kind", ["Deployment", "ReplicaSet", "DaemonSet"])
def test_selector_is_immutable(kind: str, refused_update: RefusedUpdate) -> None:
    labels = {"template": {"metadata": {"labels": {"app": "web", "tier": "a"}}}}
    change = {"spec": {**labels, "selector": {"matchLabels": {"tier": "a"}}}}
    expected = ['spec.selector: Invalid value: {"matchLabels":{"app":"web","tier":"a"}}: field is immutable']
    assert refused_update(kind, {}, change) == expected
    assert refused_update(kind, {}, {"spec": {**labels, "minReadySeconds": 1}}) == []


CASES: list[tuple[str, dict[str, Any], list[str]]] = [
    ("Deployment", {"replicas": -1}, [f"spec.replicas: Invalid value: -1: {NEGATIVE}"]),
    ("Deployment", {"strategy": {"type": "Recreate"}}, []),
    (
        "Deployment",
        {"strategy": {"type": "Recreate", "rollingUpdate": {"maxSurge": 1}}},
        ["spec.strategy.rollingUpdate: Forbidden: may not be specified when strategy `type` is 'Recreate'"],
    ),
    (
        "Deployment",
        {"strategy": {"type": "Foo"}},
        ['spec.strategy: Unsupported value: {"type":"Foo"}: supported values: "Recreate", "RollingUpdate"'],
    ),
    (
        "Deployment",
        {"strategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": "0%"}}},
        ["spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when `maxSurge` is 0"],
    ),
    (
        "Deployment",
        {"strategy": {"rollingUpdate": {"maxUnavailable": "101%", "maxSurge": "x"}}},
        [
            f'spec.strategy.rollingUpdate.maxSurge: Invalid value: "x": {PERCENT}',
            'spec.strategy.rollingUpdate.maxUnavailable: Invalid value: "101%": must not be greater '
            "than 100%",
        ],
    ),
    (
        "Deployment",
        {"minReadySeconds": 600},
        ["spec.progressDeadlineSeconds: Invalid value: 600: must be greater than minReadySeconds"],
    ),
    (
        "Deployment",
        {"selector": {"matchLabels": None, "matchExpressions": [{"key": "app", "operator": "Like"}]}},
        [
            'spec.selector.matchExpressions[0].operator: Invalid value: "Like": not a valid selector '
            "operator",
            'spec.selector: Invalid value: {"matchExpressions":[{"key":"app","operator":"Like"}]}: '
            "invalid label "
            "selector",
        ],
    ),
    ("DaemonSet", {"updateStrategy": {"type": "OnDelete"}}, []),
    (
        "DaemonSet",
        {"updateStrategy": {"rollingUpdate": {"maxSurge": 1}}},
        [
            "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: 1: may not be set when "
            "maxUnavailable is "
            "non-zero"
        ],
    ),
    (
        "DaemonSet",
        {"updateStrategy": {"rollingUpdate": {"maxUnavailable": 0}}},
        ["spec.updateStrategy.rollingUpdate.maxUnavailable: Required value: cannot be 0 when maxSurge is 0"],
    ),
    (
        "StatefulSet",
        {"podManagementPolicy": "Foo"},
        ["spec.podManagementPolicy: Invalid value: \"Foo\": must be 'OrderedReady' or 'Parallel'"],
    ),
    (
        "StatefulSet",
        {
            "volumeClaimTemplates": [{"metadata": {"name": "data"}}],
            **template(
                containers=[
                    {"name": "web", "image": "n", "volumeMounts": [{"name": "data", "mountPath": "/d"}]}
                ]
            ),
        },
        [],
    ),
    (
        "ReplicationController",
        {"template": None},
        ["spec.selector: Required value", "spec.template: Required value"],
    ),
    (
        "Job",
        template(restartPolicy="Always"),
        ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
    ),
    ("Job", {"parallelism": -1}, [f"spec.parallelism: Invalid value: -1: {NEGATIVE}"]),
    (
        "Job",
        {"completionMode": "Indexed", "parallelism": 2},
        ["spec.completions: Required value: when completion mode is Indexed"],
    ),
    (
        "Job",
        {"completionMode": "Foo"},
        ['spec.completionMode: Unsupported value: "Foo": supported values: "Indexed", "NonIndexed"'],
    ),
    (
        "CronJob",
        {"schedule": "bad"},
        ['spec.schedule: Invalid value: "bad": expected exactly 5 fields, found 1: [bad]'],
    ),
    (
        "CronJob",
        {"schedule": "TZ=UTC 0 * * * *"},
        [
            'spec.schedule: Invalid value: "TZ=UTC 0 * * * *": cannot use TZ or CRON_TZ in schedule, use '
            "timeZone field instead"
        ],
    ),
    (
        "CronJob",
        {"concurrencyPolicy": "Foo"},
        ['spec.concurrencyPolicy: Unsupported value: "Foo": supported values: "Allow", "Forbid", "Replace"'],
    ),
    (
        "CronJob",
        {"jobTemplate": {"spec": template(restartPolicy=None)}},
        [
            'spec.jobTemplate.spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", '
            '"Never"'
        ],
    ),
]


@pytest.mark.parametrize(("kind", "spec", "expected"), CASES)
def test_refused(kind: str, spec: dict[str, Any], expected: list[str], refused: Refused) -> None:
    assert refused(kind, {"spec": spec}) == expected


def test_job_with_a_selector_of_its_own(refused: Refused) -> None:
    labels = {"template": {"metadata": {"labels": {"a": "b"}}}}
    own: dict[str, Any] = {**labels, "selector": {"matchLabels": {"a": "b"}}}
    (error,) = refused("Job", {"spec": own})
    assert error.startswith("spec.selector: Invalid value: {")
    assert error.endswith(": `selector` not auto-generated")
    assert refused("Job", {"spec": {**own, "manualSelector": True}}) == []


def test_indexed_job_names_its_pods(refused: Refused) -> None:
    spec = {"completionMode": "Indexed", "completions": 10}
    assert refused("Job", {"metadata": {"name": "a" * 61}, "spec": spec}) == []
    (error,) = refused("Job", {"metadata": {"name": "a" * 62}, "spec": spec})
    assert error.endswith("will not able to create pod with invalid DNS label: must be no more than 63 bytes")


FORBIDDEN = (
    "spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
    "'minReadySeconds' are "
    "forbidden"
)
UPDATES: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    (
        "StatefulSet",
        {},
        {"replicas": 3, "minReadySeconds": 1, **template(containers=[{"name": "a", "image": "b"}])},
        [],
    ),
    ("StatefulSet", {}, {"serviceName": "web"}, [FORBIDDEN]),
    (
        "Deployment",
        {},
        template(containers=[{"name": "a"}]),
        ["spec.template.spec.containers[0].image: Required value"],
    ),
    ("Job", {"completions": 1}, {"parallelism": 3, "suspend": True}, []),
    ("Job", {}, {"completions": 2}, ["spec.completions: Invalid value: 2: field is immutable"]),
    (
        "Job",
        {},
        {"completionMode": "Indexed"},
        ['spec.completionMode: Invalid value: "Indexed": field is immutable'],
    ),
    ("Job", {"suspend": True}, template(nodeSelector={"a": "b"}), []),
    (
        "CronJob",
        {},
        {"schedule": "61 * * * *"},
        ['spec.schedule: Invalid value: "61 * * * *": end of range (61) above maximum (59): 61'],
    ),
]


@pytest.mark.parametrize(("kind", "before", "change", "expected"), UPDATES)
def test_update(
    kind: str,
    before: dict[str, Any],
    change: dict[str, Any],
    expected: list[str],
    refused_update: RefusedUpdate,
) -> None:
    assert refused_update(kind, {"spec": before}, {"spec": change}) == expected


def test_job_template_is_immutable(refused_update: RefusedUpdate) -> None:
    (error,) = refused_update("Job", {}, {"spec": template(nodeSelector={"a": "b"})})
    assert error.startswith("spec.template: Invalid value: {")
    assert error.endswith(": field is immutable")


SCHEDULES = [
    ("* * * * *", ""),
    ("*/15 0-6,12 1 jan-MAR sun", ""),
    ("5/10 * ? * *", ""),
    ("@daily", ""),
    ("@every 1h30m", ""),
    ("@noon", "unrecognized descriptor: @noon"),
    ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
    ("* 24 * * *", "end of range (24) above maximum (23): 24"),
    ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
    ("5-1 * * * *", "beginning of range (5) beyond end of range (1): 5-1"),
    ("*/0 * * * *", "step of range should be a positive number: */0"),
    ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
    ("*/2/3 * * * *", "too many slashes: */2/3"),
    ("x * * * *", 'failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax'),
]


@pytest.mark.parametrize(("schedule", "expected"), SCHEDULES)
def test_schedule(schedule: str, expected: str) -> None:
    assert schedule_error(schedule) == expected
