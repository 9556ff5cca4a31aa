"""What a pod needs next: (pod, observed, facts) → actions."""

from __future__ import annotations

from typing import Any

import pytest

from podyard.kubelet.actions import Actions, Facts, Kill, compute_actions
from podyard.kubelet.observed import Observed
from podyard.kubelet.spec import HASH_ANNOTATION, container_hash
from tests.unit.kubelet.pods import container, observed, pod, status

Object = dict[str, Any]

WEB, LOG = container("web"), container("log")
SETUP, CHECK = container("setup"), container("check")
PROXY = container("proxy", restartPolicy="Always")
NOTHING = Actions()
FINISHED = Actions(finished=True)


def start(*names: str) -> Actions:
    return Actions(start=names)


CASES: list[tuple[str, Object, Observed, Facts, Actions]] = [
    ("a new pod gets a sandbox", pod(WEB), Observed(), Facts(), Actions(sandbox_attempt=0)),
    ("then its containers", pod(WEB, LOG), observed(), Facts(), start("web", "log")),
    (
        "one that is being started is left alone",
        pod(WEB),
        observed(),
        Facts(busy=frozenset({"web"})),
        NOTHING,
    ),
    ("running ones are left alone", pod(WEB), observed(status("web")), Facts(), NOTHING),
    (
        "an ended one is started again",
        pod(WEB),
        observed(status("web", "exited", 1)),
        Facts(),
        start("web"),
    ),
    (
        "also when it succeeded, if the policy is Always",
        pod(WEB),
        observed(status("web", "exited", 0)),
        Facts(),
        start("web"),
    ),
    (
        "but not before its back-off is over",
        pod(WEB),
        observed(status("web", "exited", 1)),
        Facts(waits={"web": 7.5}),
        Actions(backing_off={"web": 7.5}),
    ),
    (
        "OnFailure starts a failed one again",
        pod(WEB, policy="OnFailure"),
        observed(status("web", "exited", 1)),
        Facts(),
        start("web"),
    ),
    (
        "OnFailure is content with a success",
        pod(WEB, policy="OnFailure"),
        observed(status("web", "exited", 0)),
        Facts(),
        FINISHED,
    ),
    (
        "Never ends with the last container",
        pod(WEB, LOG, policy="Never"),
        observed(status("web", "exited", 1), status("log")),
        Facts(),
        NOTHING,
    ),
    (
        "and then the pod has ended",
        pod(WEB, LOG, policy="Never"),
        observed(status("web", "exited", 1), status("log", "exited", 0)),
        Facts(),
        FINISHED,
    ),
    (
        "a container's own policy comes before the pod's",
        pod(container("web", restartPolicy="OnFailure"), policy="Never"),
        observed(status("web", "exited", 1)),
        Facts(),
        start("web"),
    ),
    (
        "a container's rules come first",
        pod(
            container(
                "web",
                restartPolicyRules=[{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}],
            ),
            policy="Never",
        ),
        observed(status("web", "exited", 42)),
        Facts(),
        start("web"),
    ),
    (
        "a failed liveness probe ends a container",
        pod(WEB),
        observed(status("web")),
        Facts(failed={"web-0": "Liveness"}),
        Actions(
            kill=(Kill("web-0", "web", "Container web failed liveness probe, will be restarted", "Liveness"),)
        ),
    ),
    (
        "a failed startup probe too, for good if the policy is Never",
        pod(WEB, policy="Never"),
        observed(status("web")),
        Facts(failed={"web-0": "Startup"}),
        Actions(kill=(Kill("web-0", "web", "Container web failed startup probe", "Startup"),)),
    ),
    (
        "a changed image ends a container",
        pod(container("web", image="nginx:2")),
        observed(status("web", annotations={HASH_ANNOTATION: container_hash(WEB)})),
        Facts(),
        Actions(kill=(Kill("web-0", "web", "Container web definition changed, will be restarted"),)),
    ),
    (
        "a lost sandbox is made anew",
        pod(WEB),
        observed(status("web", "exited", 137), ready=False),
        Facts(),
        Actions(sandbox_attempt=1),
    ),
    (
        "in the new sandbox the containers are started again",
        pod(WEB),
        observed(status("web", "exited", 137), attempt=1),
        Facts(),
        start("web"),
    ),
    (
        "not for a pod that never restarts",
        pod(WEB, policy="Never"),
        observed(status("web", "exited", 137), ready=False),
        Facts(),
        FINISHED,
    ),
    (
        "nor for one whose work is done",
        pod(WEB, policy="OnFailure"),
        observed(status("web", "exited", 0), ready=False),
        Facts(),
        FINISHED,
    ),
    ("init containers come first", pod(WEB, init=(SETUP, CHECK)), observed(), Facts(), start("setup")),
    (
        "while one runs nothing else is started",
        pod(WEB, init=(SETUP, CHECK)),
        observed(status("setup")),
        Facts(),
        NOTHING,
    ),
    (
        "one after the other",
        pod(WEB, init=(SETUP, CHECK)),
        observed(status("setup", "exited", 0)),
        Facts(),
        start("check"),
    ),
    (
        "then the regular ones",
        pod(WEB, init=(SETUP, CHECK)),
        observed(status("setup", "exited", 0), status("check", "exited", 0)),
        Facts(),
        start("web"),
    ),
    (
        "a failed one is tried again",
        pod(WEB, init=(SETUP,)),
        observed(status("setup", "exited", 1)),
        Facts(),
        start("setup"),
    ),
    (
        "with back-off",
        pod(WEB, init=(SETUP,)),
        observed(status("setup", "exited", 1)),
        Facts(waits={"setup": 3.0}),
        Actions(backing_off={"setup": 3.0}),
    ),
    (
        "unless the policy is Never",
        pod(WEB, init=(SETUP,), policy="Never"),
        observed(status("setup", "exited", 1)),
        Facts(),
        FINISHED,
    ),
    (
        "a new sandbox runs them again",
        pod(WEB, init=(SETUP,)),
        observed(status("setup", "exited", 0), status("web", "exited", 137), attempt=1),
        Facts(),
        start("setup"),
    ),
    (
        "a running pod does not look at them again",
        pod(WEB, init=(SETUP,)),
        observed(status("web")),
        Facts(),
        NOTHING,
    ),
    ("a sidecar is started first", pod(WEB, init=(PROXY,)), observed(), Facts(), start("proxy")),
    (
        "and must have started",
        pod(WEB, init=(PROXY,)),
        observed(status("proxy")),
        Facts(started={"proxy-0": False}),
        NOTHING,
    ),
    (
        "before the others are",
        pod(WEB, init=(PROXY,)),
        observed(status("proxy")),
        Facts(started={"proxy-0": True}),
        start("web"),
    ),
    (
        "it is restarted beside them, whatever the policy",
        pod(WEB, init=(PROXY,), policy="Never"),
        observed(status("proxy", "exited", 0), status("web")),
        Facts(),
        start("proxy"),
    ),
    (
        "but does not keep the pod from its end",
        pod(WEB, init=(PROXY,), policy="Never"),
        observed(status("proxy"), status("web", "exited", 0)),
        Facts(started={"proxy-0": True}),
        FINISHED,
    ),
]


@pytest.mark.parametrize(
    ("subject", "seen", "facts", "wanted"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_actions(subject: Object, seen: Observed, facts: Facts, wanted: Actions) -> None:
    assert compute_actions(subject, seen, facts) == wanted
