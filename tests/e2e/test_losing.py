"""Nodes and the server die, are cut off, come back, have a wrong clock; each test prints its times."""

from __future__ import annotations

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import tools
from tests.e2e.harness import eventually
from tests.e2e.machines import Machine, Machines
from tests.e2e.manifests import spread_web
from tests.support.load import Load
from tests.support.networks import needs_root
from tests.support.stopwatch import Stopwatch

pytestmark = [needs_root, pytest.mark.timeout(600)]

GRACE_SECONDS = 20
"""node-monitor-grace-period: a kubelet renews its Lease every 10 s."""
TOLERATION_SECONDS = 3
FAKETIME = "/usr/lib/*/faketime/libfaketimeMT.so.1"
SLEEP = """
import select, time
# libfaketime 0.9.10 has no clock_nanosleep(2) until a time of CLOCK_MONOTONIC, which is Python's sleep.
time.sleep = lambda seconds: select.select((), (), (), seconds)
"""


def manifest(toleration_seconds: int) -> str:
    """Six web servers that stay for so long on a node that is not well."""
    tolerations = [
        {
            "key": f"node.kubernetes.io/{what}",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": toleration_seconds,
        }
        for what in ("unreachable", "not-ready")
    ]
    probe = {"tcpSocket": {"port": 80}, "periodSeconds": 1}
    return spread_web(replicas=6, container={"readinessProbe": probe}, tolerations=tolerations)


@pytest.fixture(scope="module")
def machines(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machines]:
    """A server and three nodes with six web servers."""
    for tool, package in (("ip", "iproute2"), ("nsenter", "util-linux"), ("curl", "curl")):
        tools.need(tool, package)
    made = Machines(tmp_path_factory.mktemp("machines"), tools.kubectl())
    try:
        made.start_server(f"--controller-manager-arg=node-monitor-grace-period={GRACE_SECONDS}")
        for number in (1, 2, 3):
            made.join(number)
        made.kubectl("apply", "-f", "-", stdin=manifest(TOLERATION_SECONDS))
        made.kubectl("rollout", "status", "deployment/web", "--timeout=50s")
        yield made
    finally:
        made.close()


@pytest.fixture
def watch(record_property: Callable[[str, object], None]) -> Stopwatch:
    return Stopwatch(record_property)


def ready(machines: Machines, node: str) -> str:
    conditions = machines.json("node", node)["status"]["conditions"]
    return next(str(c["status"]) for c in conditions if c["type"] == "Ready")


def pods(machines: Machines, app: str = "web") -> list[Any]:
    """All of them, those that are being deleted too."""
    return list(machines.json("pods", "-l", f"app={app}")["items"])


def living(machines: Machines) -> list[Any]:
    return [pod for pod in pods(machines) if "deletionTimestamp" not in pod["metadata"]]


def endpoints(machines: Machines) -> set[str]:
    """The ready addresses of the Service."""
    subsets = machines.json("endpoints", "web").get("subsets") or []
    return {a["ip"] for subset in subsets for a in subset.get("addresses") or []}


def service_ip(machines: Machines, name: str = "web", namespace: str = "default") -> str:
    return str(machines.json("service", name, "-n", namespace)["spec"]["clusterIP"])


def whole(machines: Machines) -> bool:
    """Six pods, no more and no fewer, all ready, and all of them in the Endpoints."""
    found = pods(machines)
    ips = {pod["status"].get("podIP") for pod in found}
    return len(found) == 6 == len(ips) and endpoints(machines) == ips and _counted(machines) == 6


def _counted(machines: Machines) -> int:
    replicasets = machines.json("replicasets", "-l", "app=web")["items"]
    wanted = [found["status"] for found in replicasets if found["spec"]["replicas"]]
    assert len(wanted) == 1
    (status,) = wanted
    assert status["replicas"] == status.get("readyReplicas"), status
    return int(status["replicas"])


def answers(machine: Machine, address: str) -> bool:
    words = ("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "5", f"http://{address}")
    return machine.run(*words, ok=False).out == "200"


def resolves(machine: Machine, server: str) -> str:
    dig = tools.need("dig", "dnsutils")
    name = "web.default.svc.cluster.local"
    return machine.run(dig, "+short", "+tries=2", f"@{server}", name, ok=False).out.strip()


def serves_everywhere(machines: Machines) -> bool:
    address = service_ip(machines)
    return all(answers(machine, address) for machine in machines.nodes.values())


def left_behind(machines: Machines) -> list[str]:
    """Sandboxes and links on the nodes that are of no pod, or missing.

    A sandbox that has ended stays for as long as it has a container which tells of the pod's past.
    """
    found = []
    everywhere = machines.json("pods", "-A")["items"]
    for name, machine in machines.nodes.items():
        count = sum(p["spec"].get("nodeName") == name for p in everywhere)
        sandboxes = machine.home / ".podyard" / "podyard" / "kubelet" / name / "sandboxes"
        links = machine.run("ip", "-o", "link", "show", "type", "veth").out.splitlines()
        linked = sum("master podyard0" in line for line in links)
        kept = len(list(sandboxes.iterdir()))
        if linked != count or not count <= kept <= 3 * count:
            found.append(f"{name}: {kept} sandboxes and {linked} links of {count} pods")
    return found


def spread(machines: Machines) -> None:
    """Have pods on every node again."""
    machines.kubectl("delete", "pods", "-l", "app=web", "--wait=false")
    eventually(lambda: whole(machines) and len({p["spec"]["nodeName"] for p in pods(machines)}) == 3, 60)
    eventually(lambda: serves_everywhere(machines))


def test_a_node_loses_its_power(machines: Machines, watch: Stopwatch) -> None:
    eventually(lambda: whole(machines) and serves_everywhere(machines))
    there = {p["status"]["podIP"] for p in pods(machines) if p["spec"]["nodeName"] == "node3"}
    before = {p["metadata"]["uid"] for p in pods(machines)}
    assert len(there) == 2
    with Load([(service_ip(machines), 80)], 40, keepers=0, network=machines.nodes["node1"].network) as load:
        eventually(lambda: load.answered > 100)
        watch.began = time.monotonic()
        machines.nodes["node3"].lose_power()
        lost = time.monotonic()
        eventually(lambda: ready(machines, "node3") == "Unknown", 60)
        watch.seconds("NotReady after s")
        eventually(lambda: not endpoints(machines) & there)
        watch.seconds("its pods out of the Endpoints after s")
        eventually(lambda: len({p["metadata"]["uid"] for p in living(machines)} & before) == 4, 60)
        watch.seconds("its pods evicted after s")
        eventually(lambda: len(endpoints(machines)) == 6, 60)
        watch.seconds("new ones serve elsewhere after s")
    watch.load(load)
    assert {p["spec"]["nodeName"] for p in living(machines)} == {"node1", "node2"}
    # A request whose answer was under way fails, and none after that.
    assert all(at < lost for at in load.failed_at)
    assert max((took for at, took in load.slow if at not in load.failed_at), default=0) < 8
    machines.nodes["node3"].boot()
    watch.began = time.monotonic()
    machines.start_again("node3")
    eventually(lambda: whole(machines), 60)
    watch.seconds("its old pods gone, once it is back, after s")
    eventually(lambda: left_behind(machines) == [])
    spread(machines)


TALK = """
import socket, sys, time
def connect():
    while True:
        try:
            return socket.create_connection((sys.argv[1], 7777))
        except OSError:
            time.sleep(0.2)
lines = connect().makefile("rw")
for number in range(100000):
    lines.write(f"{number}\\n"); lines.flush()
    print(lines.readline().strip(), time.time(), flush=True)
    time.sleep(0.1)
"""
ECHO = """
import socketserver
class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line)
socketserver.ThreadingTCPServer(("", 7777), Echo).serve_forever()
"""


def python_pod(name: str, node: str, *command: str) -> str:
    container = {"name": "python", "image": "python", "command": ["python3", "-c", *command]}
    spec = {
        "nodeSelector": {"kubernetes.io/hostname": node},
        "terminationGracePeriodSeconds": 0,
        "restartPolicy": "Never",
        "tolerations": [{"operator": "Exists"}],
        "containers": [container],
    }
    labels = {"app": name}
    return json.dumps(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels}, "spec": spec}
    )


def start(machines: Machines, *manifests: str) -> None:
    for manifest in manifests:
        machines.kubectl("apply", "-f", "-", stdin=manifest)
    machines.kubectl("wait", "--for=condition=Ready", "pods", "-l", "app!=web", "--timeout=60s")


def heard(machines: Machines, pod: str) -> list[tuple[int, float]]:
    """The numbers that have come back to a pod on its one connection, and when."""
    lines = machines.kubectl("logs", pod).out.splitlines()
    return [(int(number), float(when)) for number, when in map(str.split, lines)]


def test_a_node_is_cut_off_and_comes_back(machines: Machines, watch: Stopwatch) -> None:
    eventually(lambda: whole(machines) and serves_everywhere(machines))
    start(machines, python_pod("echo", "node2", ECHO))
    machines.kubectl("expose", "pod", "echo", "--port=7777")
    address = machines.json("pod", "echo")["status"]["podIP"]
    start(
        machines,
        python_pod("across", "node1", TALK, address),
        python_pod("within", "node2", TALK, service_ip(machines, "echo")),
    )
    eventually(lambda: min(len(heard(machines, name)) for name in ("across", "within")) > 10)
    node, old = machines.nodes["node2"], {p["metadata"]["uid"] for p in pods(machines)}
    watch.began, cut = time.monotonic(), time.time()
    with node.cut_off():
        eventually(lambda: ready(machines, "node2") == "Unknown", 60)
        watch.seconds("NotReady after s")
        assert answers(node, service_ip(machines)), "its own pods serve it"
        assert resolves(node, service_ip(machines, "kube-dns", "kube-system")) == service_ip(machines)
        eventually(lambda: len(living(machines)) == 6 and len(endpoints(machines)) == 6, 60)
        assert len({p["metadata"]["uid"] for p in living(machines)} & old) == 4
        watch.seconds("replaced elsewhere after s")
    back, watch.began = time.time(), time.monotonic()
    eventually(lambda: ready(machines, "node2") == "True", 60)
    watch.seconds("Ready again after s")
    eventually(lambda: whole(machines), 60)
    watch.seconds("evicted pods ended after s")
    machines.kubectl("wait", "--for=condition=Ready", "pod/echo", "pod/within", "--timeout=20s")
    eventually(lambda: heard(machines, "across")[-1][1] > back, 90)
    watch.seconds("the connection between nodes goes on after s")
    for name in ("across", "within"):
        numbers = [number for number, _ in heard(machines, name)]
        assert numbers == list(range(len(numbers)))
    times = [when for _, when in heard(machines, "within")]
    assert max(b - a for a, b in itertools.pairwise(times) if a > cut) < 5, "cut or not"
    eventually(lambda: left_behind(machines) == [])
    restarts = [s["restartCount"] for p in pods(machines, "echo") for s in p["status"]["containerStatuses"]]
    assert restarts == [0]
    machines.kubectl("delete", "service/echo", "pod/echo", "pod/across", "pod/within")
    spread(machines)


def test_the_server_is_killed_and_comes_back(machines: Machines, watch: Stopwatch) -> None:
    eventually(lambda: whole(machines) and serves_everywhere(machines))
    before = {p["metadata"]["uid"]: p["status"]["podIP"] for p in pods(machines)}
    address, dns = service_ip(machines), service_ip(machines, "kube-dns", "kube-system")
    with Load([(address, 80)], 40, network=machines.nodes["node1"].network) as load:
        acknowledged = _write_until_killed(machines)
        watch.began = time.monotonic()
        watch.tell("acknowledged before the kill", len(acknowledged))
        for machine in machines.nodes.values():
            assert [resolves(machine, dns) for _ in range(5)] == [address] * 5
            assert all(answers(machine, address) for _ in range(5))
        # Longer than the silence after which a node counts as lost.
        eventually(lambda: time.monotonic() - watch.began > GRACE_SECONDS + TOLERATION_SECONDS, 60)
        assert resolves(machines.nodes["node2"], dns) == address
        watch.began = time.monotonic()
        machines.start_server()
        watch.seconds("serves again after s")
        machines.kubectl("create", "configmap", "after")
        eventually(lambda: all(ready(machines, node) == "True" for node in machines.nodes), 60)
        machines.kubectl("scale", "deployment/web", "--replicas=7")
        machines.kubectl("rollout", "status", "deployment/web", "--timeout=50s")
        watch.seconds("a new pod serves after s")
        machines.kubectl("scale", "deployment/web", "--replicas=6")
        eventually(lambda: whole(machines))
    watch.load(load)
    assert load.failures == []
    kept = {p["metadata"]["uid"]: p["status"]["podIP"] for p in pods(machines)}
    assert len(kept.items() & before.items()) >= 5, "nobody is evicted but one by the scaling"
    found = {item["metadata"]["name"] for item in machines.json("configmaps")["items"]}
    assert acknowledged <= found


def _write_until_killed(machines: Machines) -> set[str]:
    """Create objects one after the other, and kill the server among them; those that it said it has."""
    said: list[str] = []
    text = "\n---\n".join(
        f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: kept-{number}}}" for number in range(2000)
    )

    def write() -> None:
        said.extend(machines.kubectl("create", "-f", "-", stdin=text, ok=False).out.splitlines())

    thread = threading.Thread(target=write)
    thread.start()
    eventually(lambda: len(machines.json("configmaps")["items"]) > 50)
    machines.server.kill_all()
    thread.join()
    return {line.removeprefix("configmap/").removesuffix(" created") for line in said if "created" in line}


def restarted(machines: Machines, watch: Stopwatch, *, server: bool, nodes: tuple[str, ...]) -> None:
    """Power off and on again: the pods come back, as the same ones."""
    # Kubernetes' own tolerationSeconds: they are not to be evicted by a machine that is slow to start.
    machines.kubectl("apply", "-f", "-", stdin=manifest(300))
    machines.kubectl("rollout", "status", "deployment/web", "--timeout=50s")
    eventually(lambda: whole(machines) and serves_everywhere(machines))
    before = {p["metadata"]["uid"] for p in pods(machines)}
    hosts = [machines.nodes[node] for node in nodes] + ([machines.server] if server else [])
    for host in hosts:
        host.lose_power()
    for host in hosts:
        host.boot()
    watch.began = time.monotonic()
    if server:
        machines.start_server()
        watch.seconds("the server serves after s")
    for node in nodes:
        machines.start_again(node)
    watch.seconds("started again after s")

    def back() -> bool:
        states = [p["status"]["containerStatuses"][0] for p in pods(machines)]
        lost = [p["spec"]["nodeName"] in nodes for p in pods(machines)]
        again = [state["restartCount"] > 0 for state in states]
        return whole(machines) and all(a or not b for a, b in zip(again, lost, strict=True))

    eventually(back, 60)
    watch.seconds("its pods are back after s")
    eventually(lambda: serves_everywhere(machines), 60)
    watch.seconds("the Service answers on all nodes after s")
    assert {p["metadata"]["uid"] for p in pods(machines)} == before
    eventually(lambda: left_behind(machines) == [])
    for pod in pods(machines):
        machines.kubectl("exec", pod["metadata"]["name"], "--", "true")


def test_a_node_is_restarted(machines: Machines, watch: Stopwatch) -> None:
    restarted(machines, watch, server=False, nodes=("node2",))


def test_two_nodes_and_the_server_are_restarted_at_once(machines: Machines, watch: Stopwatch) -> None:
    restarted(machines, watch, server=True, nodes=("node1", "node2"))


def wrong_clock(offset: str, directory: Path) -> dict[str, str]:
    """The environment of programs that see another time of day, and of nothing else."""
    found = list(Path("/").glob(FAKETIME.lstrip("/")))
    if not found:
        tools.missing("libfaketime is not installed (Debian: apt-get install faketime)")
    (directory / "sitecustomize.py").write_text(SLEEP)
    return {
        "LD_PRELOAD": str(found[0]),
        "FAKETIME": offset,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "PYTHONPATH": str(directory),
    }


@pytest.mark.parametrize(("number", "offset"), [(4, "+60s"), (5, "-60s")])
def test_a_clock_that_is_off(machines: Machines, watch: Stopwatch, number: int, offset: str) -> None:
    host, node = machines.host(number), f"node{number}"
    host.extra.update(wrong_clock(offset, host.home))
    try:
        machines.join(number)
        watch.seconds("Ready after s")
        off = int(host.run("date", "+%s").out) - time.time()
        assert abs(off - int(offset[:-1])) < 5
        name = f"clock{number}"
        start(machines, python_pod(name, node, "import time; time.sleep(1000)"))
        watch.seconds("its pod is ready after s")
        assert uses_its_token(machines, name) == "200"
        readings = []

        def long_enough() -> bool:
            readings.append(ready(machines, node))
            return time.monotonic() - watch.began > 2 * GRACE_SECONDS

        eventually(long_enough, 90)
        assert set(readings) == {"True"}
        assert uses_its_token(machines, name) == "200"
        machines.kubectl("delete", "pod", name)
    finally:
        host.lose_power()
        machines.nodes.pop(node, None)
        machines.kubectl("delete", "node", node, ok=False)


def uses_its_token(machines: Machines, pod: str) -> str:
    """The HTTP status that a pod gets from the apiserver with its ServiceAccount's token."""
    secrets = "/var/run/secrets/kubernetes.io/serviceaccount"
    script = (
        f"curl -s -o /dev/null -w '%{{http_code}}' -m 5 --cacert {secrets}/ca.crt "
        f'-H "Authorization: Bearer $(cat {secrets}/token)" '
        "https://kubernetes.default.svc/api/v1/namespaces/default/pods"
    )
    return machines.kubectl("exec", pod, "--", "sh", "-c", script).out
