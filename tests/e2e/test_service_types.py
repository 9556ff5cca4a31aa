"""Every type of Service, and from each to each: what it keeps, what it frees, and that it really connects."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from tests.e2e.harness import Namespace, connects, eventually, http

PORT = 8080


@pytest.fixture
def web(namespace: Namespace) -> Iterator[Namespace]:
    """A namespace with two pods of nginx that the Services select."""
    namespace.kubectl("create", "deployment", "web", "--image=nginx", "--replicas=2", "--port=80")
    namespace.rolled_out("web")
    yield namespace
    namespace.kubectl("delete", "services", "--all", "--wait=false")


def service(name: str = "web", **spec: Any) -> dict[str, Any]:
    ports = [{"port": PORT, "targetPort": 80}]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": "web"}, "ports": ports, **spec},
    }


def create(namespace: Namespace, name: str = "web", **spec: Any) -> dict[str, Any]:
    """Create a Service; give what the apiserver made of it."""
    namespace.kubectl("create", "-f", "-", stdin=json.dumps(service(name, **spec)))
    found: dict[str, Any] = namespace.json("service", name)
    return found


def becomes(namespace: Namespace, patch: str) -> dict[str, Any]:
    """The spec after a patch."""
    namespace.kubectl("patch", "service", "web", "-p", f'{{"spec":{patch}}}')
    spec: dict[str, Any] = namespace.json("service", "web")["spec"]
    return spec


def balancer_ip(namespace: Namespace, name: str = "web") -> str:
    """The address of a load balancer, once it has one."""
    path = "jsonpath={.status.loadBalancer.ingress[0].ip}"
    return str(eventually(lambda: namespace.kubectl("get", "service", name, "-o", path).out))


def serves(address: str, port: int) -> None:
    eventually(lambda: http(f"http://{address}:{port}/")[0] == 200)


def refuses(address: str, port: int) -> None:
    eventually(lambda: not connects(address, port))


def test_a_load_balancer_has_an_address_that_serves(web: Namespace) -> None:
    create(web, type="LoadBalancer")
    address = balancer_ip(web)
    assert address.startswith(web.cluster.config.load_balancer_cidr.removesuffix("0.0/16"))
    serves(address, PORT)
    row = web.kubectl("get", "service", "web").out.splitlines()[1].split()
    assert (row[1], row[3]) == ("LoadBalancer", address)
    assert re.fullmatch(rf"{PORT}:\d+/TCP", row[4])
    described = web.kubectl("describe", "service", "web").out
    assert re.search(rf"^LoadBalancer Ingress: +{re.escape(address)} \(VIP\)$", described, re.MULTILINE)
    events = r"EnsuringLoadBalancer.*EnsuredLoadBalancer"
    eventually(lambda: re.search(events, web.kubectl("describe", "service", "web").out, re.DOTALL))
    web.kubectl("delete", "service", "web", "--timeout=10s")
    refuses(address, PORT)


def test_from_type_to_type(web: Namespace) -> None:
    config = web.cluster.config
    nodes = [config.node_ip(number) for number in (1, 2, 3)]
    cluster_ip = create(web)["spec"]["clusterIP"]
    serves(cluster_ip, PORT)

    spec = becomes(web, '{"type":"NodePort"}')
    node_port = spec["ports"][0]["nodePort"]
    assert spec["clusterIP"] == cluster_ip
    for node in nodes:
        serves(node, node_port)

    spec = becomes(web, '{"type":"LoadBalancer"}')
    assert (spec["clusterIP"], spec["ports"][0]["nodePort"]) == (cluster_ip, node_port)
    address = balancer_ip(web)
    for ip, port in ((address, PORT), (nodes[0], node_port), (cluster_ip, PORT)):
        serves(ip, port)

    spec = becomes(web, '{"type":"NodePort"}')
    assert (spec["clusterIP"], spec["ports"][0]["nodePort"]) == (cluster_ip, node_port)
    assert web.json("service", "web")["status"] == {"loadBalancer": {}}
    refuses(address, PORT)
    serves(nodes[1], node_port)

    spec = becomes(web, '{"type":"ClusterIP"}')
    assert (spec["clusterIP"], spec["ports"][0].get("nodePort")) == (cluster_ip, None)
    for node in nodes:
        refuses(node, node_port)
    serves(cluster_ip, PORT)
    eventually(lambda: "finalizers" not in web.json("service", "web")["metadata"])

    spec = becomes(web, '{"type":"ExternalName","externalName":"example.com"}')
    assert not {"clusterIP", "clusterIPs"} & spec.keys()
    refuses(cluster_ip, PORT)
    row = web.kubectl("get", "service", "web").out.splitlines()[1].split()
    assert row[1:4] == ["ExternalName", "<none>", "example.com"]

    spec = becomes(web, '{"type":"ClusterIP","externalName":null}')
    serves(spec["clusterIP"], PORT)
    web.kubectl("delete", "service", "web")
    refuses(spec["clusterIP"], PORT)


def test_what_a_deleted_service_had_can_be_had_at_once(web: Namespace) -> None:
    old = create(web, type="LoadBalancer")["spec"]
    address = balancer_ip(web)
    web.kubectl("delete", "service", "web")
    ports = [{"port": PORT, "targetPort": 80, "nodePort": old["ports"][0]["nodePort"]}]
    create(
        web, name="next", type="LoadBalancer", clusterIP=old["clusterIP"], loadBalancerIP=address, ports=ports
    )
    assert balancer_ip(web, "next") == address
    for ip, port in ((address, PORT), (old["clusterIP"], PORT)):
        serves(ip, port)


def test_headless_stays_headless(web: Namespace) -> None:
    assert create(web, clusterIP="None")["spec"]["clusterIPs"] == ["None"]
    refused = web.kubectl("patch", "service", "web", "-p", '{"spec":{"type":"LoadBalancer"}}', ok=False)
    assert "may not be set to 'None' for LoadBalancer services" in refused.err


def test_a_load_balancer_without_node_ports(web: Namespace) -> None:
    spec = create(web, type="LoadBalancer", allocateLoadBalancerNodePorts=False)["spec"]
    assert "nodePort" not in spec["ports"][0]
    serves(balancer_ip(web), PORT)


def test_a_local_policy_reaches_only_nodes_with_a_pod(web: Namespace) -> None:
    web.kubectl("scale", "deployment", "web", "--replicas=1")
    web.rolled_out("web")
    (pod,) = eventually(lambda: (pods := web.pods("app=web")) and len(pods) == 1 and pods)
    spec = create(web, type="LoadBalancer", externalTrafficPolicy="Local")["spec"]
    config, port = web.cluster.config, spec["ports"][0]["nodePort"]
    serves(balancer_ip(web), PORT)
    for number, name in enumerate(config.node_names(), 1):
        node = config.node_ip(number)
        has_pod = name == pod["spec"]["nodeName"]
        if has_pod:
            serves(node, port)
        else:
            refuses(node, port)
        health = f"http://{node}:{spec['healthCheckNodePort']}/healthz"
        wanted = 200 if has_pod else 503
        eventually(lambda url=health, code=wanted: http(url)[0] == code)  # type: ignore[misc]


def test_nodes_have_external_addresses(web: Namespace) -> None:
    listed = web.kubectl("get", "nodes", "-o", "yaml").out
    found = re.findall(r"- address: (\S+)\n +type: ExternalIP", listed)
    assert found == [web.cluster.config.node_ip(number) for number in (1, 2, 3)]
    port = create(web, type="NodePort")["spec"]["ports"][0]["nodePort"]
    for address in found:
        serves(address, port)
    assert all(address in web.kubectl("get", "nodes", "-o", "wide").out for address in found)


def test_traffic_stays_where_the_service_prefers_it(web: Namespace) -> None:
    web.kubectl("scale", "deployment", "web", "--replicas=3")
    web.rolled_out("web")
    config = web.cluster.config
    for number, node in enumerate(config.node_names()):
        web.kubectl("label", "node", node, f"topology.kubernetes.io/zone=zone-{number}", "--overwrite")
    port = create(web, type="NodePort", trafficDistribution="PreferSameNode")["spec"]["ports"][0]["nodePort"]
    pods = [(pod["spec"]["nodeName"], pod["metadata"]["name"]) for pod in web.pods("app=web")]
    used = {node for node, _ in pods}

    def hinted() -> bool:
        items = web.json("endpointslices", "-l", "kubernetes.io/service-name=web")["items"]
        found = [endpoint for item in items for endpoint in item["endpoints"] or ()]
        return len(found) == 3 and all(
            endpoint.get("hints", {}).get("forNodes") == [{"name": endpoint["nodeName"]}]
            and endpoint["hints"]["forZones"] == [{"name": endpoint["zone"]}]
            for endpoint in found
        )

    eventually(hinted)
    tries = itertools.count()

    def answering(path: str) -> Counter[str]:
        """The nodes whose pods have answered requests for `path`, and how many."""
        return Counter(node for node, pod in pods for _ in re.findall(path, web.kubectl("logs", pod).out))

    def stays(number: int, node: str) -> bool:
        """Whether what comes to a node is answered there, once its proxy has heard of the hints."""
        path = f"/try-{next(tries)}-of-{node}"
        assert [http(f"http://{config.node_ip(number)}:{port}{path}")[0] for _ in range(6)] == [404] * 6
        found = eventually(lambda: (found := answering(f"GET {path} ")).total() == 6 and found)
        return set(found) == {node}

    for number, node in enumerate(config.node_names(), 1):
        if node in used:
            eventually(partial(stays, number, node))
    for node in config.node_names():
        web.kubectl("label", "node", node, "topology.kubernetes.io/zone-")
