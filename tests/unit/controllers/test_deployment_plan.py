"""Rolling updates, rollback, scaling, pausing and the conditions of Deployments."""

from __future__ import annotations

import pytest

from podyard.controllers.deployment.revisions import annotate, same_template
from podyard.controllers.deployment.sizes import fenceposts
from tests.unit.controllers.cluster import Rollout
from tests.unit.controllers.objects import deployment, replica_set, template


def rolled_out(**spec: object) -> Rollout:
    rollout = Rollout(**spec)
    rollout.settle()
    return rollout


@pytest.mark.parametrize(
    ("replicas", "surge", "unavailable", "expected"),
    [
        (2, "25%", "25%", (1, 0)),
        (4, "25%", "25%", (1, 1)),
        (10, "25%", "25%", (3, 2)),
        (3, 0, 0, (0, 1)),
        (3, 0, "1%", (0, 1)),
        (10, 2, 3, (2, 3)),
        (10, "100%", "0%", (10, 0)),
    ],
)
def test_fenceposts(
    replicas: int, surge: int | str, unavailable: int | str, expected: tuple[int, int]
) -> None:
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}}
    assert fenceposts(deployment(replicas, strategy=strategy)) == expected


def test_first_rollout() -> None:
    rollout = Rollout(replicas=2)
    todo = rollout.sync()
    assert todo.create is not None
    name = todo.create["metadata"]["name"]
    hash_ = name.removeprefix("web-")
    labels = {"app": "web", "pod-template-hash": hash_}
    assert todo.create["spec"]["selector"] == {"matchLabels": labels}
    assert todo.create["spec"]["template"]["metadata"]["labels"] == labels
    assert todo.create["metadata"]["annotations"] == {
        "deployment.kubernetes.io/revision": "1",
        "deployment.kubernetes.io/desired-replicas": "2",
        "deployment.kubernetes.io/max-replicas": "3",
    }
    assert rollout.events == [f"Scaled up replica set {name} from 0 to 2"]
    assert rollout.condition("Progressing") == (
        "True",
        "NewReplicaSetCreated",
        f'Created new replica set "{name}"',
    )
    assert rollout.condition("Available") == (
        "False",
        "MinimumReplicasUnavailable",
        "Deployment does not have minimum availability.",
    )
    rollout.pods_follow(available=False)
    rollout.sync()
    assert rollout.condition("Progressing")[1] == "ReplicaSetUpdated"
    rollout.settle()
    assert rollout.condition("Progressing") == (
        "True",
        "NewReplicaSetAvailable",
        f'ReplicaSet "{name}" has successfully progressed.',
    )
    assert rollout.condition("Available")[:2] == ("True", "MinimumReplicasAvailable")
    status = dict(rollout.deployment["status"])
    status.pop("conditions")
    assert status == {
        "observedGeneration": 1,
        "replicas": 2,
        "updatedReplicas": 2,
        "readyReplicas": 2,
        "availableReplicas": 2,
        "terminatingReplicas": 0,
    }


@pytest.mark.parametrize("replicas", [1, 2, 3, 4, 7, 10])
def test_rolling_update_stays_between_the_fenceposts(replicas: int) -> None:
    rollout = rolled_out(replicas=replicas)
    surge, unavailable = fenceposts(rollout.deployment)
    rollout.change(template=template("nginx:1.25"))
    for sizes in rollout.settle():
        assert replicas - unavailable <= sum(sizes.values()) <= replicas + surge
    assert sorted(rollout.sizes.values()) == [0, replicas]
    assert rollout.revisions() == ["1", "2"]


def test_update_that_never_becomes_available_keeps_the_old_pods() -> None:
    rollout = rolled_out(replicas=4)
    rollout.change(template=template("broken"))
    rollout.settle(available=False)
    assert sorted(rollout.sizes.values()) == [2, 3]
    rollout.now += 700
    rollout.sync()
    assert rollout.condition("Progressing")[:2] == ("False", "ProgressDeadlineExceeded")
    assert rollout.condition("Available")[0] == "True"


def test_deadline_is_watched() -> None:
    rollout = rolled_out(replicas=2)
    assert rollout.sync().again_in is None
    rollout.change(template=template("broken"))
    rollout.sync()
    rollout.pods_follow(available=False)
    again = rollout.sync().again_in
    assert again is not None
    assert 590 < again <= 601


def test_rollback_reuses_the_old_replica_set_under_a_new_revision() -> None:
    rollout = rolled_out(replicas=2)
    first = next(iter(rollout.sets))
    rollout.change(template=template("nginx:1.25"))
    rollout.settle()
    rollout.change(template=template("nginx"))
    rollout.settle()
    assert rollout.sizes[first] == 2
    assert len(rollout.sets) == 2
    annotations = rollout.sets[first]["metadata"]["annotations"]
    assert annotations["deployment.kubernetes.io/revision"] == "3"
    assert annotations["deployment.kubernetes.io/revision-history"] == "1"
    assert rollout.deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"


def test_history_limit() -> None:
    rollout = rolled_out(replicas=1, revisionHistoryLimit=2)
    for version in range(5):
        rollout.change(template=template(f"nginx:{version}"))
        rollout.settle()
    assert len(rollout.sets) == 3
    assert rollout.revisions() == ["4", "5", "6"]


def test_scale_up_and_down() -> None:
    rollout = rolled_out(replicas=2)
    name = next(iter(rollout.sets))
    rollout.change(replicas=5)
    rollout.settle()
    rollout.change(replicas=0)
    rollout.settle()
    assert rollout.events[1:] == [
        f"Scaled up replica set {name} from 2 to 5",
        f"Scaled down replica set {name} from 5 to 0",
    ]
    assert rollout.deployment["status"]["observedGeneration"] == 3


def test_scaling_in_mid_rollout_is_proportional() -> None:
    rollout = rolled_out(replicas=10)
    old = next(iter(rollout.sets))
    rollout.change(template=template("broken"))
    rollout.settle(available=False)
    new = next(name for name in rollout.sets if name != old)
    assert rollout.sizes == {old: 8, new: 5}
    rollout.change(replicas=15)
    rollout.sync()
    # 15 + 4 pods may exist, 6 more than before: three fifths of them for the old one.
    assert rollout.sizes == {old: 12, new: 7}


def test_pause_stops_a_rollout_and_resume_goes_on() -> None:
    rollout = rolled_out(replicas=2)
    rollout.change(paused=True, template=template("nginx:1.25"))
    rollout.settle()
    assert len(rollout.sets) == 1
    assert rollout.condition("Progressing") == ("Unknown", "DeploymentPaused", "Deployment is paused")
    rollout.change(replicas=4)
    rollout.settle()
    assert list(rollout.sizes.values()) == [4]
    rollout.change(paused=False)
    rollout.settle()
    assert sorted(rollout.sizes.values()) == [0, 4]
    assert rollout.condition("Progressing")[1] == "NewReplicaSetAvailable"


def test_recreate_waits_for_the_old_pods() -> None:
    rollout = rolled_out(replicas=3, strategy={"type": "Recreate"})
    rollout.change(template=template("nginx:1.25"))
    rollout.sync()
    assert list(rollout.sizes.values()) == [0]
    rollout.sync()
    assert len(rollout.sets) == 1, "the new one must wait until the old pods have gone"
    rollout.settle()
    assert sorted(rollout.sizes.values()) == [0, 3]


def test_without_a_deadline_there_is_no_progressing_condition() -> None:
    rollout = rolled_out(progressDeadlineSeconds=2**31 - 1)
    assert rollout.conditions() == {"Available"}


def test_a_terminating_deployment_only_gets_a_status() -> None:
    rollout = rolled_out(replicas=2)
    rollout.change(replicas=5)
    rollout.deployment["metadata"]["deletionTimestamp"] = "2027-01-01T00:00:00Z"
    todo = rollout.sync()
    assert (todo.create, todo.update, todo.delete) == (None, [], [])


def test_a_replica_failure_is_passed_on() -> None:
    rollout = Rollout(replicas=1)
    rollout.sync()
    (name,) = rollout.sets
    failure = {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": "FailedCreate",
        "message": "no",
        "lastTransitionTime": "2027-01-01T00:00:00Z",
    }
    rollout.sets[name] = {**rollout.sets[name], "status": {"replicas": 0, "conditions": [failure]}}
    rollout.sync()
    assert rollout.condition("ReplicaFailure") == ("True", "FailedCreate", "no")
    rollout.pods_follow()
    rollout.sync()
    assert "ReplicaFailure" not in rollout.conditions()


def test_change_cause_is_copied_and_last_applied_is_not() -> None:
    given = deployment()
    given["metadata"]["annotations"] = {
        "kubernetes.io/change-cause": "because",
        "kubectl.kubernetes.io/last-applied-configuration": "{}",
    }
    assert annotate(given, replica_set(), 4) == {
        "kubernetes.io/change-cause": "because",
        "deployment.kubernetes.io/revision": "4",
    }


@pytest.mark.parametrize(
    ("other", "same"),
    [
        ({"metadata": {"labels": {"app": "web", "pod-template-hash": "abc"}}}, True),
        ({"metadata": {"labels": {"app": "web"}, "creationTimestamp": None}}, True),
        ({"metadata": {"labels": {"app": "other"}}}, False),
        ({"spec": {"containers": []}}, False),
    ],
)
def test_same_template(other: dict[str, object], same: bool) -> None:
    assert same_template(template(), {**template(), **other}) is same
