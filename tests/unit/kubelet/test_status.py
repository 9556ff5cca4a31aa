"""A pod's status from what is observed."""

from __future__ import annotations

from typing import Any

import pytest

from podyard.api.times import to_rfc3339
from podyard.kubelet.observed import Observed
from podyard.kubelet.status import Problem, View, make_status
from tests.unit.kubelet.pods import IP, container, observed, pod, status

Object = dict[str, Any]

NOW = 2000.0
WEB, LOG = container("web"), container("log")
SETUP = container("setup")
PROXY = container("proxy", restartPolicy="Always")


def view(**fields: Any) -> View:
    """A view in which every container of generation 0 has started and is ready."""
    names = ("web", "log", "setup", "proxy")
    good = {f"{name}-{attempt}": True for name in names for attempt in range(3)}
    defaults: dict[str, Any] = {
        "now": NOW,
        "pod_ips": (IP,),
        "host_ips": ("127.10.0.1",),
        "started": good,
        "ready": good,
    }
    return View(**(defaults | fields))


def conditions(made: Object) -> dict[str, str]:
    return {c["type"]: c["status"] + (f" {c['reason']}" if "reason" in c else "") for c in made["conditions"]}


def test_a_running_pod() -> None:
    made = make_status(pod(WEB), observed(status("web")), view())
    assert made["phase"] == "Running"
    assert (made["podIP"], made["podIPs"]) == (IP, [{"ip": IP}])
    assert (made["hostIP"], made["hostIPs"]) == ("127.10.0.1", [{"ip": "127.10.0.1"}])
    assert made["startTime"] == to_rfc3339(NOW)
    assert made["observedGeneration"] == 1
    assert made["containerStatuses"] == [
        {
            "name": "web",
            "image": "docker.io/library/nginx:latest",
            "imageID": "sha256:abc",
            "containerID": "podyard://web-0",
            "restartCount": 0,
            "ready": True,
            "started": True,
            "lastState": {},
            "state": {"running": {"startedAt": to_rfc3339(1000.0)}},
        }
    ]
    assert [c["type"] for c in made["conditions"]] == [
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
    ]
    assert set(conditions(made).values()) == {"True"}
    assert "initContainerStatuses" not in made


PHASES: list[tuple[str, Object, Observed, View, str]] = [
    ("nothing yet", pod(WEB), Observed(), view(), "Pending"),
    ("one of two runs", pod(WEB, LOG), observed(status("web")), view(), "Pending"),
    ("both run", pod(WEB, LOG), observed(status("web"), status("log")), view(), "Running"),
    ("being made", pod(WEB), observed(status("web", "created")), view(), "Pending"),
    ("to be restarted", pod(WEB), observed(status("web", "exited", 1)), view(), "Running"),
    ("Always restarts a success", pod(WEB), observed(status("web", "exited", 0)), view(), "Running"),
    (
        "succeeded",
        pod(WEB, policy="OnFailure"),
        observed(status("web", "exited")),
        view(ended=True),
        "Succeeded",
    ),
    ("failed", pod(WEB, policy="Never"), observed(status("web", "exited", 1)), view(ended=True), "Failed"),
    (
        "failed, but not ended",
        pod(WEB, policy="Never"),
        observed(status("web", "exited", 1)),
        view(),
        "Pending",
    ),
    (
        "OnFailure restarts",
        pod(WEB, policy="OnFailure"),
        observed(status("web", "exited", 1)),
        view(),
        "Running",
    ),
    (
        "one has ended, one runs",
        pod(WEB, LOG, policy="Never"),
        observed(status("web", "exited", 1), status("log")),
        view(),
        "Running",
    ),
    ("deleted, by a signal", pod(WEB), observed(status("web", "exited", 143)), view(ended=True), "Failed"),
    ("deleted, with grace", pod(WEB), observed(status("web", "exited", 0)), view(ended=True), "Succeeded"),
    ("deleted before it ran", pod(WEB), Observed(), view(ended=True), "Failed"),
    ("init runs", pod(WEB, init=(SETUP,)), observed(status("setup")), view(), "Pending"),
    ("init failed", pod(WEB, init=(SETUP,)), observed(status("setup", "exited", 1)), view(), "Pending"),
    (
        "init failed for good",
        pod(WEB, init=(SETUP,), policy="Never"),
        observed(status("setup", "exited", 1)),
        view(ended=True),
        "Failed",
    ),
    (
        "init done",
        pod(WEB, init=(SETUP,)),
        observed(status("setup", "exited", 0), status("web")),
        view(),
        "Running",
    ),
    ("sidecar starts", pod(WEB, init=(PROXY,)), observed(status("proxy")), view(started={}), "Pending"),
    (
        "a sidecar does not count",
        pod(WEB, init=(PROXY,), policy="Never"),
        observed(status("proxy", "exited", 137), status("web", "exited", 0)),
        view(ended=True),
        "Succeeded",
    ),
    ("to be ended as failed", pod(WEB), observed(status("web")), view(phase="Failed"), "Pending"),
    (
        "ended as failed",
        pod(WEB),
        observed(status("web", "exited")),
        view(phase="Failed", ended=True),
        "Failed",
    ),
]


@pytest.mark.parametrize(
    ("subject", "seen", "how", "phase"), [c[1:] for c in PHASES], ids=[c[0] for c in PHASES]
)
def test_phase(subject: Object, seen: Observed, how: View, phase: str) -> None:
    assert make_status(subject, seen, how)["phase"] == phase


CONDITIONS: list[tuple[str, Object, Observed, View, dict[str, str]]] = [
    (
        "nothing yet",
        pod(WEB),
        Observed(),
        view(),
        {
            "PodReadyToStartContainers": "False",
            "Initialized": "True",
            "Ready": "False ContainersNotReady",
            "ContainersReady": "False ContainersNotReady",
            "PodScheduled": "True",
        },
    ),
    (
        "init runs",
        pod(WEB, init=(SETUP,)),
        observed(status("setup")),
        view(),
        {
            "PodReadyToStartContainers": "True",
            "Initialized": "False ContainersNotInitialized",
            "Ready": "False ContainersNotReady",
        },
    ),
    (
        "not ready by its probe",
        pod(WEB),
        observed(status("web")),
        view(ready={}),
        {"Initialized": "True", "Ready": "False ContainersNotReady"},
    ),
    (
        "a sidecar counts for readiness",
        pod(WEB, init=(PROXY,)),
        observed(status("proxy"), status("web")),
        view(ready={"web-0": True}),
        {"Ready": "False ContainersNotReady"},
    ),
    (
        "completed",
        pod(WEB, init=(SETUP,), policy="Never"),
        observed(status("setup", "exited"), status("web", "exited"), ready=False),
        view(ended=True),
        {
            "PodReadyToStartContainers": "False",
            "Initialized": "True PodCompleted",
            "Ready": "False PodCompleted",
            "ContainersReady": "False PodCompleted",
        },
    ),
    (
        "failed",
        pod(WEB, policy="Never"),
        observed(status("web", "exited", 1)),
        view(ended=True),
        {"Ready": "False PodFailed", "ContainersReady": "False PodFailed"},
    ),
]


@pytest.mark.parametrize(
    ("subject", "seen", "how", "wanted"), [c[1:] for c in CONDITIONS], ids=[c[0] for c in CONDITIONS]
)
def test_conditions(subject: Object, seen: Observed, how: View, wanted: dict[str, str]) -> None:
    made = conditions(make_status(subject, seen, how))
    assert {type_: made[type_] for type_ in wanted} == wanted


def test_messages_name_the_containers() -> None:
    made = make_status(pod(WEB, LOG), observed(status("web"), status("log")), view(ready={}))
    ready = next(c for c in made["conditions"] if c["type"] == "Ready")
    assert ready["message"] == "containers with unready status: [web log]"


def test_transition_times_stay_while_nothing_changes() -> None:
    subject = pod(WEB)
    subject["status"] = make_status(subject, observed(status("web")), view(now=1500.0))
    made = make_status(subject, observed(status("web")), view(ready={}, now=1600.0))
    since = {c["type"]: c["lastTransitionTime"] for c in made["conditions"]}
    assert since["Initialized"] == to_rfc3339(1500.0)
    assert since["Ready"] == to_rfc3339(1600.0)
    assert made["startTime"] == to_rfc3339(1500.0)


def test_readiness_gates_hold_a_pod_back() -> None:
    subject = pod(WEB)
    subject["spec"]["readinessGates"] = [{"conditionType": "example.com/gate"}]
    made = make_status(subject, observed(status("web")), view())
    assert conditions(made)["Ready"] == "False ReadinessGatesNotReady"
    assert conditions(made)["ContainersReady"] == "True"
    subject["status"] = {"conditions": [{"type": "example.com/gate", "status": "True"}]}
    assert conditions(make_status(subject, observed(status("web")), view()))["Ready"] == "True"


def only(subject: Object, seen: Observed, how: View) -> Object:
    """The status of the pod's only container."""
    (made,) = make_status(subject, seen, how)["containerStatuses"]
    return dict(made)


def test_containers_wait_with_a_reason() -> None:
    assert only(pod(WEB), Observed(), view())["state"] == {"waiting": {"reason": "ContainerCreating"}}
    waiting = only(pod(WEB, init=(SETUP,)), Observed(), view())["state"]
    assert waiting == {"waiting": {"reason": "PodInitializing"}}
    problem = Problem("ErrImagePull", "nobody knows it")
    made = only(pod(WEB), observed(), view(problems={"web": problem}))
    assert made["state"] == {"waiting": {"reason": "ErrImagePull", "message": "nobody knows it"}}
    assert (made["image"], made["imageID"], made["restartCount"]) == ("nginx", "", 0)


def test_a_crashed_container_shows_how_it_ended_while_it_waits() -> None:
    problem = Problem("CrashLoopBackOff", "back-off 10s")
    made = only(pod(WEB), observed(status("web", "exited", 3, attempt=2)), view(problems={"web": problem}))
    assert made["state"] == {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 10s"}}
    assert made["lastState"]["terminated"]["exitCode"] == 3
    assert made["restartCount"] == 2
    assert (made["ready"], made["started"]) == (False, False)


def test_a_restarted_container_shows_how_its_predecessor_ended() -> None:
    seen = observed(status("web", "exited", 137, message="oops"), status("web", attempt=1))
    made = only(pod(WEB), seen, view())
    assert "running" in made["state"]
    assert made["lastState"] == {
        "terminated": {
            "exitCode": 137,
            "reason": "Error",
            "message": "oops",
            "startedAt": to_rfc3339(1000.0),
            "finishedAt": to_rfc3339(1050.0),
            "containerID": "podyard://web-0",
        }
    }
    assert made["restartCount"] == 1


def test_an_ended_container_that_is_not_restarted_is_terminated() -> None:
    problem = {"web": Problem("CrashLoopBackOff", "back-off 10s")}
    made = only(pod(WEB, policy="Never"), observed(status("web", "exited", 3)), view(problems=problem))
    assert made["state"]["terminated"]["reason"] == "Error"
    made = only(pod(WEB), observed(status("web", "exited", 0)), view(problems=problem, ended=True))
    assert made["state"]["terminated"]["reason"] == "Completed"


def test_a_container_whose_record_is_lost() -> None:
    subject = pod(WEB)
    subject["status"] = make_status(subject, observed(status("web", attempt=2)), view())
    made = only(subject, Observed(), view())
    assert made["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert made["lastState"]["terminated"]["reason"] == "ContainerStatusUnknown"
    assert made["restartCount"] == 3
    subject["status"]["containerStatuses"] = [made]
    assert only(subject, Observed(), view()) == made, "it is lost once"
    subject["status"] = make_status(subject, observed(status("web", "exited", 1)), view())
    assert only(subject, Observed(), view(ended=True))["state"]["terminated"]["exitCode"] == 1


def test_a_container_runs_once_its_post_start_hook_is_done() -> None:
    waiting = {"waiting": {"reason": "ContainerCreating"}}
    made = only(pod(WEB), observed(status("web")), view(held=frozenset({"web"})))
    assert (made["state"], made["ready"]) == (waiting, False)
    seen = observed(status("web", "exited", 1), status("web", attempt=1))
    made = only(pod(WEB), seen, view(held=frozenset({"web"})))
    assert (made["state"], made["restartCount"]) == (waiting, 1)
    assert made["lastState"]["terminated"]["exitCode"] == 1


def test_a_finished_init_container_is_ready() -> None:
    made = make_status(pod(WEB, init=(SETUP,)), observed(status("setup", "exited", 0)), view())
    (setup,) = made["initContainerStatuses"]
    assert setup["ready"] is True
    assert setup["state"]["terminated"]["reason"] == "Completed"
