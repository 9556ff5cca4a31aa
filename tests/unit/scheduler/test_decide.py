"""Filters and scores, each in a small cluster, and what users read when nothing fits."""

from __future__ import annotations

import random
from typing import Any

import pytest

from podyard.api import selectors
from podyard.scheduler.decide import decide
from podyard.scheduler.nodes import Cluster, NodeInfo, pod_requests

Object = dict[str, Any]


def node(name: str, *pods: Object, labels: Object | None = None, taints: Any = None, **more: Any) -> NodeInfo:
    """A node with 4 CPUs and 8 GiB, and pods on it."""
    info = NodeInfo(name)
    allocatable = {"cpu": "4", "memory": "8Gi", "pods": "110", **more.pop("allocatable", {})}
    info.set_node(
        {
            "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
            "spec": {"taints": taints or [], **more},
            "status": {"allocatable": allocatable},
        }
    )
    for one in pods:
        info.add(one)
    return info


_count = iter(range(10**6))


def pod(app: str = "web", namespace: str = "default", requests: Object | None = None, **spec: Any) -> Object:
    """A pod of an application."""
    container = {"name": "c", "resources": {"requests": requests or {}}}
    return {
        "metadata": {
            "name": app,
            "namespace": namespace,
            "uid": f"uid-{next(_count)}",
            "labels": {"app": app},
        },
        "spec": {"containers": [container], **spec},
    }


def where(wanted: Object, *nodes: NodeInfo, **cluster: Any) -> set[str]:
    """The nodes on which the pod may end up."""
    made = Cluster(list(nodes), **cluster)
    return {decide(wanted, made, random.Random(seed)).node for seed in range(12)}


def why_not(wanted: Object, *nodes: NodeInfo) -> str:
    decision = decide(wanted, Cluster(list(nodes)), random.Random(1))
    assert not decision.node
    return decision.message


def required(kind: str, *terms: Object) -> Object:
    return {kind: {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}}


def same_app(app: str, key: str = "kubernetes.io/hostname", **term: Any) -> Object:
    return {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}, **term}


def test_no_nodes() -> None:
    assert why_not(pod()) == "no nodes available to schedule pods"


def test_equal_nodes_are_chosen_by_chance() -> None:
    assert where(pod(), node("n1"), node("n2"), node("n3")) == {"n1", "n2", "n3"}


NO_PREEMPTION = "1 Preemption is not helpful for scheduling."
NO_VICTIMS = "1 No preemption victims found for incoming pod."
TAINT = {"key": "dedicated", "value": "gpu", "effect": "NoSchedule"}
REFUSALS: list[tuple[Object, NodeInfo, str, str]] = [
    (pod(), node("n", unschedulable=True), "1 node(s) were unschedulable.", NO_PREEMPTION),
    (pod(nodeName="m"), node("n"), "1 node(s) didn't match the requested node name.", NO_PREEMPTION),
    (pod(), node("n", taints=[TAINT]), "1 node(s) had untolerated taint(s).", NO_PREEMPTION),
    (
        pod(nodeSelector={"disk": "ssd"}),
        node("n"),
        "1 node(s) didn't match Pod's node affinity/selector.",
        NO_PREEMPTION,
    ),
    (pod(requests={"cpu": "5"}), node("n"), "1 Insufficient cpu.", NO_PREEMPTION),
    (
        pod(requests={"cpu": "3", "memory": "7Gi"}),
        node("n", pod(requests={"cpu": "2", "memory": "2Gi"})),
        "1 Insufficient cpu, 1 Insufficient memory.",
        NO_VICTIMS,
    ),
    (pod(), node("n", pod(), allocatable={"pods": "1"}), "1 Too many pods.", NO_VICTIMS),
    (pod(requests={"example.com/gpu": "1"}), node("n"), "1 Insufficient example.com/gpu.", NO_PREEMPTION),
    (
        pod(affinity=required("podAffinity", same_app("db"))),
        node("n"),
        "1 node(s) didn't match pod affinity rules.",
        NO_PREEMPTION,
    ),
    (
        pod(affinity=required("podAntiAffinity", same_app("web"))),
        node("n", pod()),
        "1 node(s) didn't match pod anti-affinity rules.",
        NO_VICTIMS,
    ),
    (
        pod("db"),
        node("n", pod(affinity=required("podAntiAffinity", same_app("db")))),
        "1 node(s) didn't satisfy existing pods anti-affinity rules.",
        NO_VICTIMS,
    ),
]


@pytest.mark.parametrize(("wanted", "only", "reason", "preemption"), REFUSALS)
def test_refusal(wanted: Object, only: NodeInfo, reason: str, preemption: str) -> None:
    expected = f"0/1 nodes are available: {reason} preemption: 0/1 nodes are available: {preemption}"
    assert why_not(wanted, only) == expected


def test_refusals_are_counted() -> None:
    message = why_not(pod(nodeSelector={"disk": "ssd"}), node("n1"), node("n2"), node("n3", taints=[TAINT]))
    assert message == (
        "0/3 nodes are available: 1 node(s) had untolerated taint(s), "
        "2 node(s) didn't match Pod's node affinity/selector. "
        "preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling."
    )


@pytest.mark.parametrize(
    ("toleration", "fits"),
    [
        ({"operator": "Exists"}, True),
        ({"key": "dedicated", "operator": "Exists"}, True),
        ({"key": "dedicated", "value": "gpu"}, True),
        ({"key": "dedicated", "value": "gpu", "effect": "NoExecute"}, False),
        ({"key": "dedicated", "value": "cpu"}, False),
        ({"key": "other", "operator": "Exists"}, False),
    ],
)
def test_tolerations(toleration: Object, fits: bool) -> None:
    found = where(pod(tolerations=[toleration]), node("n", taints=[TAINT]))
    assert found == ({"n"} if fits else {""})


@pytest.mark.parametrize(
    ("expression", "fits"),
    [
        ({"key": "cores", "operator": "In", "values": ["8", "16"]}, True),
        ({"key": "cores", "operator": "NotIn", "values": ["8"]}, False),
        ({"key": "gpu", "operator": "NotIn", "values": ["yes"]}, True),
        ({"key": "cores", "operator": "Exists"}, True),
        ({"key": "cores", "operator": "DoesNotExist"}, False),
        ({"key": "cores", "operator": "Gt", "values": ["7"]}, True),
        ({"key": "cores", "operator": "Lt", "values": ["8"]}, False),
        ({"key": "gpu", "operator": "Gt", "values": ["1"]}, False),
    ],
)
def test_required_node_affinity(expression: Object, fits: bool) -> None:
    terms = {"nodeSelectorTerms": [{"matchExpressions": [expression]}]}
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}
    assert where(pod(affinity=affinity), node("n", labels={"cores": "8"})) == ({"n"} if fits else {""})


def test_preferred_node_affinity() -> None:
    preference = {"matchExpressions": [{"key": "disk", "operator": "In", "values": ["ssd"]}]}
    preferred = [{"weight": 10, "preference": preference}]
    affinity = {"nodeAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}
    assert where(pod(affinity=affinity), node("n1"), node("n2", labels={"disk": "ssd"})) == {"n2"}


def test_prefer_no_schedule() -> None:
    assert where(pod(), node("n1", taints=[{**TAINT, "effect": "PreferNoSchedule"}]), node("n2")) == {"n2"}


def test_the_emptier_node_is_better() -> None:
    full = node("full", pod(requests={"cpu": "2", "memory": "4Gi"}))
    assert where(pod(requests={"cpu": "1", "memory": "1Gi"}), full, node("empty")) == {"empty"}


@pytest.mark.parametrize(
    ("ports", "fits"),
    [
        ([{"hostPort": 80}], False),
        ([{"hostPort": 80, "protocol": "UDP"}], True),
        ([{"hostPort": 81}], True),
        ([{"hostPort": 80, "hostIP": "127.0.0.5"}], False),
        ([{"containerPort": 80}], True),
    ],
)
def test_host_ports(ports: list[Object], fits: bool) -> None:
    taken = pod(containers=[{"name": "c", "ports": [{"hostPort": 80}]}])
    wanted = pod(containers=[{"name": "c", "ports": ports}])
    assert where(wanted, node("n", taken)) == ({"n"} if fits else {""})


def test_requests_of_init_containers_and_sidecars() -> None:
    def container(cpu: str, **more: Any) -> Object:
        return {"resources": {"requests": {"cpu": cpu}}, **more}

    spec: Object = {
        "initContainers": [
            container("200m", restartPolicy="Always"),
            container("1500m"),
            container("100m", restartPolicy="Always"),
        ],
        "containers": [container("500m"), container("300m")],
        "overhead": {"cpu": "50m"},
    }
    # The second init container beside the first sidecar: more than all that runs later.
    assert pod_requests({"spec": spec}) == {"cpu": 1500 + 200 + 50}
    spec["initContainers"][1] = container("10m")
    assert pod_requests({"spec": spec}) == {"cpu": 500 + 300 + 200 + 100 + 50}


def test_limits_stand_in_for_requests() -> None:
    spec = {"containers": [{"resources": {"limits": {"cpu": "2"}, "requests": {"memory": "1Gi"}}}]}
    assert pod_requests({"spec": spec}) == {"cpu": 2000, "memory": 1024**3}


# Pods among themselves.

ZONES = {"a": {"topology.kubernetes.io/zone": "a"}, "b": {"topology.kubernetes.io/zone": "b"}}


def zoned(*pods_a: Object) -> list[NodeInfo]:
    return [
        node("a1", *pods_a, labels=ZONES["a"]),
        node("a2", labels=ZONES["a"]),
        node("b1", labels=ZONES["b"]),
    ]


def test_affinity_joins_a_zone() -> None:
    term = same_app("db", "topology.kubernetes.io/zone")
    assert where(pod(affinity=required("podAffinity", term)), *zoned(pod("db"))) <= {"a1", "a2"}


def test_affinity_to_itself_lets_the_first_pod_in() -> None:
    term = same_app("web", "topology.kubernetes.io/zone")
    assert "" not in where(pod("web", affinity=required("podAffinity", term)), *zoned())


def test_anti_affinity_avoids_a_zone() -> None:
    term = same_app("web", "topology.kubernetes.io/zone")
    assert where(pod(affinity=required("podAntiAffinity", term)), *zoned(pod())) == {"b1"}


def test_affinity_is_about_the_pods_own_namespace_unless_it_says_otherwise() -> None:
    other = pod("db", namespace="other")
    assert where(pod(affinity=required("podAffinity", same_app("db"))), node("n", other)) == {""}
    by_name = same_app("db", namespaces=["other"])
    assert where(pod(affinity=required("podAffinity", by_name)), node("n", other)) == {"n"}
    by_label = same_app("db", namespaceSelector={"matchLabels": {"team": "x"}})
    wanted = pod(affinity=required("podAffinity", by_label))
    labels = {"other": {"team": "x"}}
    assert where(wanted, node("n", other), namespace_labels=lambda name: labels.get(name, {})) == {"n"}


@pytest.mark.parametrize(("kind", "expected"), [("podAffinity", "n1"), ("podAntiAffinity", "n2")])
def test_preferred_affinity_between_pods(kind: str, expected: str) -> None:
    preferred = [{"weight": 100, "podAffinityTerm": same_app("db")}]
    affinity = {kind: {"preferredDuringSchedulingIgnoredDuringExecution": preferred}}
    assert where(pod(affinity=affinity), node("n1", pod("db")), node("n2")) == {expected}


def spread(when: str, key: str = "kubernetes.io/hostname", skew: int = 1, **more: Any) -> list[Object]:
    constraint = {"topologyKey": key, "maxSkew": skew, "whenUnsatisfiable": when, **more}
    return [{**constraint, "labelSelector": {"matchLabels": {"app": "web"}}}]


def test_hard_spread() -> None:
    wanted = pod(topologySpreadConstraints=spread("DoNotSchedule"))
    assert where(wanted, node("n1", pod()), node("n2"), node("n3", pod(), pod())) == {"n2"}


def test_hard_spread_that_nothing_satisfies() -> None:
    cordoned = node("n2", unschedulable=True)
    message = why_not(pod(topologySpreadConstraints=spread("DoNotSchedule")), node("n1", pod()), cordoned)
    assert "1 node(s) didn't match pod topology spread constraints" in message
    missing = pod(topologySpreadConstraints=spread("DoNotSchedule", "rack"))
    assert "topology spread constraints (missing required label)" in why_not(missing, node("n1"))


def test_min_domains_demands_more_nodes() -> None:
    wanted = pod(topologySpreadConstraints=spread("DoNotSchedule", minDomains=2))
    assert where(wanted, node("n1", pod())) == {""}


def test_soft_spread() -> None:
    wanted = pod(topologySpreadConstraints=spread("ScheduleAnyway"))
    assert where(wanted, node("n1", pod()), node("n2"), node("n3", pod())) == {"n2"}


def test_terminating_pods_and_other_namespaces_do_not_count() -> None:
    dying, foreign = pod(), pod(namespace="other")
    dying["metadata"]["deletionTimestamp"] = "2027-01-01T00:00:00Z"
    wanted = pod(topologySpreadConstraints=spread("DoNotSchedule"))
    fuller = node("n2", pod("other", requests={"cpu": "2", "memory": "4Gi"}))
    assert where(wanted, node("n1", dying), fuller) == {"n1"}
    assert where(wanted, node("n1", foreign), fuller) == {"n1"}
    assert where(wanted, node("n1", pod()), fuller) == {"n2"}


def by_default(pod: Object) -> list[Any]:
    return [selectors.from_map({"app": "web"}).matches]


def test_pods_of_a_service_spread_by_default() -> None:
    # n2 holds more of other things; that weighs less than a sibling on n1.
    others = [pod("other", requests={"cpu": "500m", "memory": "1Gi"}) for _ in range(2)]
    assert where(pod(), node("n1", pod()), node("n2", *others), spread_selectors=by_default) == {"n2"}


def test_default_spread_takes_zones_into_account() -> None:
    nodes = zoned(pod())
    assert where(pod(), *nodes, spread_selectors=by_default) == {"b1"}


def test_back_to_back_pods_land_on_different_nodes() -> None:
    nodes = [node(f"n{i}") for i in range(3)]
    chosen = set()
    for seed in range(3):
        wanted = pod()
        made = Cluster(nodes, spread_selectors=by_default)
        name = decide(wanted, made, random.Random(seed)).node
        next(n for n in nodes if n.name == name).add(wanted)
        chosen.add(name)
    assert len(chosen) == 3
