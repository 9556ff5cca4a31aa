"""Back-off of containers that end again and again, and what their status says meanwhile."""

from __future__ import annotations

from typing import Any

from podyard.kubelet.backoff import Backoff
from podyard.kubelet.pod_events import PodEvents
from podyard.kubelet.pulling import StartFailure
from podyard.kubelet.restarts import Restarts
from podyard.process.clock import FakeClock
from tests.unit.kubelet.pods import UID, observed, pod, status

Object = dict[str, Any]
POD = pod()
(WEB,) = POD["spec"]["containers"]


class Recorder:
    def __init__(self) -> None:
        self.messages: list[str] = []

    def event(self, about: Object, type_: str, reason: str, message: str, *, field_path: str = "") -> None:
        self.messages.append(f"{type_} {reason} {field_path} {message}")


def restarts_at(now: float) -> tuple[Restarts, FakeClock]:
    clock = FakeClock(now)
    return Restarts(UID, Backoff(), clock), clock


def test_the_first_restart_is_at_once_the_second_waits() -> None:
    restarts, clock = restarts_at(1050.0)
    seen = observed(status("web", "exited", 1))
    assert restarts.waits(POD, seen) == {}
    restarts.starting(WEB, seen)
    clock.advance(100)
    seen = observed(status("web", "exited", 1, attempt=1))
    assert restarts.waits(POD, seen) == {"web": 10.0}
    clock.advance(10)
    assert restarts.waits(POD, seen) == {}


def test_a_crash_loop_is_shown_and_told_once() -> None:
    restarts, _ = restarts_at(1150.0)
    restarts.starting(WEB, observed(status("web", "exited", 1)))
    recorder = Recorder()
    seen = observed(status("web", "exited", 1, attempt=1))
    for _ in range(2):
        problems = restarts.problems(POD, seen, ["web"], PodEvents(recorder, POD))
        assert problems["web"].reason == "CrashLoopBackOff"
        assert problems["web"].message == f"back-off 10s restarting failed container=web pod=p_default({UID})"
    text = f"Back-off restarting failed container web in pod p_default({UID})"
    assert recorder.messages == [f"Warning BackOff spec.containers{{web}} {text}"]


def test_a_start_failure_is_shown_until_it_is_tried_again_and_succeeds() -> None:
    restarts, clock = restarts_at(1000.0)
    restarts.failed("web", StartFailure("ErrImagePull", "nobody knows it", 2.0))
    assert restarts.waits(POD, observed()) == {"web": 2.0}
    events = PodEvents(Recorder(), POD)
    assert restarts.problems(POD, observed(), ["web"], events)["web"].reason == "ErrImagePull"
    clock.advance(2)
    assert restarts.waits(POD, observed()) == {}
    restarts.succeeded("web")
    assert restarts.problems(POD, observed(), [], events) == {}


def test_an_incomplete_configuration_is_looked_at_ever_later() -> None:
    restarts, _ = restarts_at(1000.0)
    waits = []
    for _ in range(6):
        restarts.failed("web", StartFailure("CreateContainerConfigError", 'secret "x" not found'))
        waits.append(restarts.waits(POD, observed())["web"])
    assert waits == [1, 2, 4, 8, 10, 10]


def test_a_new_kubelet_does_not_restart_a_crash_loop_from_its_beginning() -> None:
    restarts, _ = restarts_at(1350.0)
    assert restarts.waits(POD, observed(status("web", "exited", 1, attempt=3))) == {"web": 40.0}


def test_a_container_that_the_kubelet_ended_does_not_wait_for_that() -> None:
    restarts, _ = restarts_at(1150.0)
    first = status("web", "exited", 143)
    restarts.killed(first.id)
    restarts.starting(WEB, observed(first))
    second = status("web", "exited", 143, attempt=1)
    restarts.killed(second.id)
    assert restarts.waits(POD, observed(first, second)) == {}
