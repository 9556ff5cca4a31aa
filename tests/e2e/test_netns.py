"""`podyard up --network netns`: nodes and pods in network namespaces, as Kubernetes promises them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podyard.cli.lan.names import host_link
from tests.e2e import tools
from tests.e2e.harness import (
    PODYARD,
    Cluster,
    Namespace,
    OrdinaryCluster,
    connects,
    eventually,
    http,
    kill,
    processes_of,
    supervisor_pid,
)
from tests.e2e.harness import run as run_command

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the host reaches such a cluster as root alone")

SLEEP = ["sleep", "1000"]


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """Three nodes in namespaces; shadows the session's cluster for this file."""
    made = Cluster(tmp_path_factory.mktemp("netns"), f"netns-{os.getpid()}", tools.kubectl())
    made.up("--network", "netns")
    try:
        yield made
    finally:
        made.down("--purge")


def pod(name: str, *containers: dict[str, Any], node: str = "", **spec: Any) -> str:
    """A manifest."""
    where = {"nodeSelector": {"kubernetes.io/hostname": node}} if node else {}
    metadata = {"name": name, "labels": {"app": name}}
    return json.dumps(
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": {"terminationGracePeriodSeconds": 0, **where, **spec, "containers": list(containers)},
        }
    )


def shell(name: str = "sh", **more: Any) -> dict[str, Any]:
    return {"name": name, "image": "radial/busyboxplus:curl", "command": SLEEP, **more}


def nginx(**more: Any) -> dict[str, Any]:
    return {"name": "nginx", "image": "nginx", "ports": [{"containerPort": 80}], **more}


def python(script: str, **more: Any) -> dict[str, Any]:
    return {"name": "python", "image": "python", "command": ["python3", "-c", script], **more}


def run(namespace: Namespace, *manifests: str) -> list[str]:
    """Apply pods, wait until they are ready, give their addresses."""
    for manifest in manifests:
        namespace.apply(manifest)
    names = [json.loads(manifest)["metadata"]["name"] for manifest in manifests]
    namespace.kubectl("wait", "--for=condition=Ready", "--timeout=40s", *(f"pod/{name}" for name in names))
    return [namespace.json("pod", name)["status"]["podIP"] for name in names]


def status_from(namespace: Namespace, pod: str, url: str) -> str:
    """The HTTP status that a curl in a pod gets."""
    words = ("curl", "-s", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", url)
    return namespace.kubectl("exec", pod, "--", *words, ok=False).out


def test_pods_of_all_nodes_see_each_others_own_addresses(namespace: Namespace) -> None:
    web, here, there = run(
        namespace,
        pod("web", nginx(), node="node1"),
        pod("here", shell(), node="node1"),
        pod("there", shell(), node="node2"),
    )
    for name in ("here", "there"):
        assert status_from(namespace, name, f"http://{web}") == "200"
    seen = {
        line.split()[0] for line in namespace.kubectl("logs", "web").out.splitlines() if '"GET / ' in line
    }
    assert seen == {here, there}
    third = [address.split(".")[2] for address in (web, here, there)]
    assert third == ["1", "1", "2"], "each node has a range of its own"


def test_a_stock_nginx_runs_twice_on_a_node(namespace: Namespace, tmp_path: Path) -> None:
    (tmp_path / "nginx.conf").write_text("events {} http { server { listen 80; return 200 stock; } }")
    stock = {
        "name": "nginx",
        "image": tools.need("nginx", "nginx"),
        "args": ["-e", "stderr", "-c", "/conf/nginx.conf", "-g", "daemon off;"],
        "ports": [{"containerPort": 80}],
        "readinessProbe": {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1},
        "volumeMounts": [
            {"name": "conf", "mountPath": "/conf"},
            {"name": "log", "mountPath": "/var/log/nginx"},
            {"name": "lib", "mountPath": "/var/lib/nginx"},
        ],
    }
    volumes = [{"name": "conf", "hostPath": {"path": str(tmp_path)}}]
    volumes += [{"name": name, "emptyDir": {}} for name in ("log", "lib")]
    addresses = run(namespace, *(pod(name, stock, node="node1", volumes=volumes) for name in ("one", "two")))
    assert len(set(addresses)) == 2
    assert [http(f"http://{address}") for address in addresses] == [(200, "stock")] * 2
    assert {status["restartCount"] for name in ("one", "two") for status in containers(namespace, name)} == {
        0
    }


def containers(namespace: Namespace, pod: str) -> list[dict[str, Any]]:
    return list(namespace.json("pod", pod)["status"]["containerStatuses"])


def test_a_pods_containers_share_localhost_and_links(namespace: Namespace) -> None:
    only_here = (
        "import http.server as h; h.HTTPServer(('127.0.0.1', 8000), h.BaseHTTPRequestHandler).serve_forever()"
    )
    (address,) = run(namespace, pod("both", python(only_here), shell()))
    # A server that knows no GET; it begins to listen in its own time.
    eventually(lambda: status_from(namespace, "both", "http://127.0.0.1:8000") == "501")
    assert not connects(address, 8000)
    links = namespace.kubectl("exec", "both", "-c", "sh", "--", "ls", "/sys/class/net").out.split()
    assert links == ["eth0", "lo"]
    with subprocess.Popen(
        [namespace.cluster.kubectl_path, "-n", namespace.name, "port-forward", "both", ":8000"],
        env=namespace.cluster.env,
        stdout=subprocess.PIPE,
        text=True,
    ) as forward:
        assert forward.stdout is not None
        port = int(forward.stdout.readline().split(":")[1].split()[0])
        assert http(f"http://127.0.0.1:{port}")[0] == 501, "as in Kubernetes, what listens on localhost too"
        forward.terminate()


def test_services_dns_and_the_apiserver_from_a_pod(namespace: Namespace) -> None:
    run(namespace, pod("web", nginx(), node="node1"), pod("client", shell(), node="node2"))
    namespace.kubectl("expose", "pod", "web", "--port=80", "--type=NodePort")
    service = namespace.json("service", "web")["spec"]
    node_port = service["ports"][0]["nodePort"]
    for name in ("client", "web"):  # a pod reaches itself by its Service, too
        eventually(lambda name=name: status_from(namespace, name, "http://web") == "200")  # type: ignore[misc]
    looked_up = namespace.kubectl("exec", "client", "--", "nslookup", "web").out
    assert service["clusterIP"] in looked_up
    told = namespace.kubectl("exec", "client", "--", "curl", "-sk", "https://kubernetes.default/version").out
    assert '"major"' in told
    config = namespace.cluster.config
    from_the_host = [f"{config.node_ip(number)}:{node_port}" for number in (1, 2, 3)]
    from_the_host += [f"127.0.0.1:{node_port}", service["clusterIP"]]  # the first by the gate
    for place in from_the_host:
        eventually(lambda place=place: http(f"http://{place}")[0] == 200)  # type: ignore[misc]
    namespace.kubectl("delete", "pod", "web")
    eventually(lambda: not connects(service["clusterIP"], 80))


def test_a_host_port_is_the_nodes_and_can_be_had_once(namespace: Namespace) -> None:
    ports = [{"containerPort": 80, "hostPort": 8088}]
    run(namespace, pod("one", nginx(ports=ports), node="node1"), pod("client", shell(), node="node2"))
    node = namespace.cluster.config.node_ip(1)
    assert http(f"http://{node}:8088")[0] == 200
    assert status_from(namespace, "client", f"http://{node}:8088") == "200"
    namespace.apply(pod("two", nginx(ports=ports), node="node1"))
    message = "node(s) didn't have free ports for the requested pod ports"
    eventually(lambda: message in json.dumps(namespace.json("pod", "two")["status"]))
    namespace.kubectl("delete", "pod", "one")
    namespace.kubectl("wait", "--for=condition=Ready", "--timeout=40s", "pod/two")
    assert http(f"http://{node}:8088")[0] == 200


def test_a_pod_on_the_hosts_network_takes_no_services_port(namespace: Namespace) -> None:
    """It listens on 0.0.0.0:80 of its node, where Services with port 80 must be served as well."""
    serve = "import http.server as h; h.test(h.SimpleHTTPRequestHandler, port=80, bind='0.0.0.0')"
    ports = [{"containerPort": 80}]
    address, _ = run(
        namespace,
        pod("host", python(serve, ports=ports), node="node1", hostNetwork=True),
        pod("client", shell(), node="node1"),
    )
    assert address == namespace.cluster.config.node_ip(1)
    eventually(lambda: status_from(namespace, "client", f"http://{address}") == "200")
    run(namespace, pod("web", nginx(), node="node1"))
    namespace.kubectl("expose", "pod", "web", "--port=80")
    cluster_ip = namespace.json("service", "web")["spec"]["clusterIP"]

    def welcomed() -> bool:
        page = namespace.kubectl("exec", "client", "--", "curl", "-s", "-m", "5", "http://web", ok=False).out
        return "Welcome to nginx" in page

    eventually(welcomed)
    namespace.kubectl("delete", "service", "web")
    eventually(lambda: status_from(namespace, "client", f"http://{cluster_ip}") == "000")


def test_the_node_says_what_its_network_is(cluster: Cluster) -> None:
    node = cluster.json("node", "node1")
    conditions = {c["type"]: (c["status"], c["reason"]) for c in node["status"]["conditions"]}
    assert conditions["NetworkUnavailable"] == ("False", "PodNetworkReady")
    assert conditions["PodsReachOutside"] in (("True", "Masqueraded"), ("False", "NotForwarded"))
    inside = cluster.podyard("shell", "node2", "-c", "ip -4 -o addr show dev eth0").out
    assert cluster.config.node_ip(2) in inside


def test_a_killed_kubelet_finds_its_pods_again(namespace: Namespace) -> None:
    (address,) = run(namespace, pod("web", nginx(), node="node3"))
    cluster = namespace.cluster
    killed = cluster.pid("kubelet-node3")
    kill(killed)
    assert http(f"http://{address}")[0] == 200, "while no kubelet is there"
    eventually(lambda: cluster.pid("kubelet-node3") not in (0, killed))
    eventually(lambda: all(p["health"] == "ready" for p in cluster.status()))
    (status,) = containers(namespace, "web")
    assert status["restartCount"] == 0
    assert namespace.json("pod", "web")["status"]["podIP"] == address
    (other,) = run(namespace, pod("other", nginx(), node="node3"))
    assert other != address
    assert http(f"http://{address}")[0] == http(f"http://{other}")[0] == 200


def traces(cluster: Cluster) -> list[str]:
    """What there is on this host of a cluster's network."""
    link = host_link(cluster.config)
    commands = (
        "ip -o link",
        "ip route show table all",
        "cat /proc/self/mountinfo",
        "ls /run/netns 2>/dev/null",
        "nft list tables 2>/dev/null",
    )
    told = subprocess.run(["sh", "-c", "; ".join(commands)], capture_output=True, text=True).stdout
    marks = (link, str(cluster.home), cluster.name)
    return [line for line in told.splitlines() if any(mark in line for mark in marks)]


def leaves_nothing(cluster: Cluster, but: str = "nothing") -> None:
    """The kernel takes a namespace down a moment after its last process has ended."""

    def nothing() -> bool:
        found = [line for line in traces(cluster) if not line.startswith(but)]
        assert found == []
        return True

    eventually(nothing)


def test_nothing_is_left_after_down(own_cluster: Cluster) -> None:
    own_cluster.up("--network", "netns", "--nodes", "2")
    assert traces(own_cluster) != []
    own_cluster.kubectl("create", "deployment", "web", "--image=nginx", "--replicas=4")
    own_cluster.kubectl("rollout", "status", "deployment/web", "--timeout=50s")
    own_cluster.down()
    leaves_nothing(own_cluster)
    assert processes_of(own_cluster) == []


def test_everything_killed_and_started_again(own_cluster: Cluster) -> None:
    own_cluster.up("--network", "netns", "--nodes", "2")
    own_cluster.kubectl("create", "deployment", "web", "--image=nginx", "--replicas=2")
    own_cluster.kubectl("rollout", "status", "deployment/web", "--timeout=50s")
    kill_all(own_cluster)
    leaves_nothing(own_cluster, "table ip ")  # of nftables, if the host forwards packets
    own_cluster.up()
    own_cluster.kubectl("rollout", "status", "deployment/web", "--timeout=50s")

    def all_serve() -> bool:
        pods = own_cluster.json("pods", "-l", "app=web")["items"]
        return len(pods) == 2 and all(http(f"http://{p['status'].get('podIP')}")[0] == 200 for p in pods)

    eventually(all_serve)
    kill_all(own_cluster)
    own_cluster.down()
    leaves_nothing(own_cluster)


def kill_all(cluster: Cluster) -> None:
    """SIGKILL to every process of a cluster, until none is left."""

    def none_left() -> bool:
        for line in (found := processes_of(cluster)):
            try:
                os.kill(int(line.split()[0]), signal.SIGKILL)
            except ProcessLookupError:
                pass
        return not found

    eventually(none_left)


def test_a_killed_up_is_taken_up_again(own_cluster: Cluster) -> None:
    own_cluster.up("--network", "netns", "--nodes", "2")
    own_cluster.kubectl("create", "deployment", "web", "--image=nginx", "--replicas=2")
    own_cluster.kubectl("rollout", "status", "deployment/web", "--timeout=50s")
    addresses = sorted(p["status"]["podIP"] for p in own_cluster.json("pods")["items"])
    kill(supervisor_pid(own_cluster))
    assert all(http(f"http://{address}")[0] == 200 for address in addresses), "pods and links live on"
    own_cluster.up()
    assert sorted(p["status"]["podIP"] for p in own_cluster.json("pods")["items"]) == addresses
    assert all(http(f"http://{address}")[0] == 200 for address in addresses)


def test_another_network_is_refused(cluster: Cluster) -> None:
    done = cluster.podyard("up", "--network", "loopback", ok=False)
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "was made with --network netns; that stays" in done.err


def test_an_ordinary_user_has_it_in_a_user_namespace(ordinary: OrdinaryCluster) -> None:
    ordinary.up("--network", "netns", "--nodes", "2")
    ordinary.kubectl("create", "deployment", "web", "--image=nginx", "--replicas=4", "--port=80")
    ordinary.kubectl("expose", "deployment", "web", "--type=NodePort")
    ordinary.kubectl("rollout", "status", "deployment/web", "--timeout=50s")
    pods = ordinary.json("pods", "-l", "app=web")["items"]
    assert {p["spec"]["nodeName"] for p in pods} == {"node1", "node2"}

    def welcomed(place: str) -> bool:
        done = ordinary.podyard("shell", "node2", "-c", f"curl -s -m 5 http://{place}", ok=False)
        return "Welcome to nginx" in done.out

    assert all(welcomed(p["status"]["podIP"]) for p in pods)
    eventually(lambda: welcomed("web"))
    node_port = ordinary.json("service", "web")["spec"]["ports"][0]["nodePort"]
    for host in ("127.0.0.1", *(ordinary.config.node_host_ip(number) for number in (1, 2))):
        by_gate = f"http://{host}:{node_port}"
        eventually(lambda url=by_gate: http(url)[0] == 200)  # type: ignore[misc]
    assert traces(ordinary) == [], "nothing on the host"
    ordinary.down()
    assert processes_of(ordinary) == []


def test_a_kernel_that_refuses_says_so_in_one_line(own_cluster: Cluster) -> None:
    without = ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"]
    done = run_command(
        [*without, *PODYARD, "up", "--network", "netns", "--name", own_cluster.name],
        env=own_cluster.env,
        ok=False,
    )
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert "the netns network needs network namespaces, which the kernel refuses" in done.err
    assert "use --network loopback" in done.err
