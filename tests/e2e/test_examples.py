"""Each manifest of examples/ does what its first line says."""

from __future__ import annotations

import json
import socket
from pathlib import Path

from tests.e2e.harness import Namespace, connects, eventually, http

EXAMPLES = Path("examples")
PAGE = {
    "run-my-nginx.yaml",
    "nginx-svc.yaml",
    "nginx-secure-app.yaml",
    "curlpod.yaml",
}  # test_page.py plays them


def apply(namespace: Namespace, name: str) -> None:
    namespace.kubectl("apply", "-f", str(EXAMPLES / f"{name}.yaml"))


def cluster_ip(namespace: Namespace, service: str) -> str:
    return str(namespace.json("service", service)["spec"]["clusterIP"])


def test_every_example_has_a_test_and_a_line_in_the_list() -> None:
    here = Path(__file__).read_text()
    listed = (EXAMPLES / "README.md").read_text()
    for file in sorted(EXAMPLES.glob("*.yaml")):
        assert file.name in PAGE or f'"{file.stem}"' in here
        assert f"({file.name})" in listed


def test_config(namespace: Namespace) -> None:
    apply(namespace, "config")
    namespace.kubectl("wait", "--for=condition=Ready", "pod/configured", "--timeout=40s")
    address = namespace.json("pod", "configured")["status"]["podIP"]
    page = f"http://{address}:8000/page.html"
    eventually(lambda: http(page) == (200, "<h1>from a ConfigMap</h1>\n"))
    namespace.kubectl(
        "patch", "configmap", "settings", "-p", json.dumps({"data": {"page.html": "new", "colour": "red"}})
    )
    eventually(lambda: http(page) == (200, "new"))
    assert namespace.kubectl("exec", "configured", "--", "printenv", "COLOUR").out == "green\n"


def test_headless(namespace: Namespace) -> None:
    apply(namespace, "headless")
    namespace.kubectl("wait", "--for=condition=Ready", "pod/one", "pod/two", "--timeout=40s")
    ips = {name: namespace.json("pod", name)["status"]["podIP"] for name in ("one", "two")}

    def lookup(name: str) -> str:
        return namespace.kubectl("exec", "one", "--", "nslookup", name, ok=False).out

    eventually(lambda: all(ip in lookup("web") for ip in ips.values()))
    one = eventually(lambda: ips["one"] in (said := lookup("one.web")) and said)
    assert ips["two"] not in one


def test_node_port(namespace: Namespace) -> None:
    apply(namespace, "node-port")
    namespace.rolled_out("hello")
    nodes = namespace.cluster.json("nodes")["items"]
    for node in nodes:
        address = next(a["address"] for a in node["status"]["addresses"] if a["type"] == "InternalIP")
        eventually(lambda address=address: http(f"http://{address}:30080/")[0] == 200)  # type: ignore[misc]
    # The port is the whole cluster's: what comes after this test may want it.
    namespace.kubectl("delete", "service", "hello")
    eventually(lambda: not connects(address, 30080))


def test_probes(namespace: Namespace) -> None:
    apply(namespace, "probes")
    eventually(lambda: namespace.pods("app=probed")[0]["status"]["phase"] == "Running")
    namespace.kubectl(
        "wait", "--for=jsonpath={.status.containerStatuses[0].started}=true", "pod", "-l", "app=probed"
    )
    eventually(lambda: namespace.json("endpoints", "probed"))
    assert namespace.addresses("probed") == []
    namespace.kubectl("exec", "deploy/probed", "--", "touch", "/tmp/ready")
    eventually(lambda: len(namespace.addresses("probed")) == 1)
    eventually(lambda: http(f"http://{cluster_ip(namespace, 'probed')}/ready")[0] == 200)
    namespace.kubectl("exec", "deploy/probed", "--", "rm", "/tmp/healthy")
    eventually(lambda: namespace.pods("app=probed")[0]["status"]["containerStatuses"][0]["restartCount"] == 1)


def test_service_account(namespace: Namespace) -> None:
    apply(namespace, "service-account")
    namespace.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/who-am-i", "--timeout=40s")
    said = json.loads(namespace.kubectl("logs", "who-am-i").out)
    assert (said["kind"], said["metadata"]["name"]) == ("Pod", "who-am-i")


def test_two_containers(namespace: Namespace) -> None:
    apply(namespace, "two-containers")
    namespace.kubectl("wait", "--for=condition=Ready", "pod/two-containers", "--timeout=40s")
    url = f"http://{cluster_ip(namespace, 'two-containers')}/"
    first = eventually(lambda: (reply := http(url))[0] == 200 and reply[1])
    eventually(lambda: http(url)[1] != first)


def test_udp_echo(namespace: Namespace) -> None:
    apply(namespace, "udp-echo")
    namespace.rolled_out("udp-echo")
    eventually(lambda: len(namespace.addresses("udp-echo")) == 2)
    address = (cluster_ip(namespace, "udp-echo"), 7)
    pods = {pod["metadata"]["name"] for pod in namespace.pods("app=udp-echo")}

    def echo() -> str:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
            client.settimeout(2)
            client.sendto(b"hello", address)
            return client.recv(100).decode()

    answered: set[str] = set()

    def all_have_answered() -> bool:
        name, _, text = echo().partition(": ")
        assert text == "hello"
        answered.add(name)
        return answered == pods

    eventually(all_have_answered)
