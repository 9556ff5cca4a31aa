"""The session that the README shows, from `kubectl apply` to `kubectl delete`, in one go."""

from __future__ import annotations

import re
import subprocess
from functools import partial
from typing import Any

import pytest

from tests.e2e import tools
from tests.e2e.harness import Namespace, connects, eventually, http

EXAMPLES = "examples"


@pytest.fixture
def nginx(namespace: Namespace) -> Namespace:
    """A namespace in which the Deployment my-nginx runs."""
    namespace.kubectl("apply", "-f", f"{EXAMPLES}/run-my-nginx.yaml")
    namespace.rolled_out("my-nginx")
    return namespace


def test_the_cluster_presents_itself(namespace: Namespace) -> None:
    version = namespace.kubectl("version").out
    assert re.search(r"Server Version: v1\.37\.0\+podyard", version)
    info = namespace.kubectl("cluster-info").out
    assert namespace.cluster.config.api_url in info
    nodes = namespace.kubectl("get", "nodes", "-o", "wide").out.splitlines()
    assert nodes[0].split()[:6] == ["NAME", "STATUS", "ROLES", "AGE", "VERSION", "INTERNAL-IP"]
    assert [line.split()[:2] for line in nodes[1:]] == [[f"node{n}", "Ready"] for n in (1, 2, 3)]
    resources = namespace.kubectl("api-resources").out
    assert re.search(r"^deployments +deploy +apps/v1 +true +Deployment$", resources, re.MULTILINE)
    assert re.search(r"^services +svc +v1 +true +Service$", resources, re.MULTILINE)


def test_pods_have_addresses_that_serve(nginx: Namespace) -> None:
    table = nginx.kubectl("get", "pods", "-l", "run=my-nginx", "-o", "wide").out.splitlines()
    rows = [line.split() for line in table[1:]]
    assert len(rows) == 2
    assert len({row[6] for row in rows}) == 2, "on different nodes"
    for name, ready, status, restarts, _, ip, *_ in rows:
        assert re.fullmatch(r"my-nginx-[0-9a-z]{6,10}-[0-9a-z]{5}", name)
        assert (ready, status, restarts) == ("1/1", "Running", "0")
        code, body = http(f"http://{ip}")
        assert code == 200
        assert "<h1>Welcome to nginx!</h1>" in body
    listed = nginx.kubectl("get", "pods", "-l", "run=my-nginx", "-o", "yaml").out
    assert {row[5] for row in rows} == set(re.findall(r"podIP: (\S+)", listed))


def test_a_service_balances_over_its_pods(nginx: Namespace) -> None:
    assert nginx.kubectl("expose", "deployment/my-nginx").out == "service/my-nginx exposed\n"
    table = nginx.kubectl("get", "svc", "my-nginx").out.splitlines()
    assert table[0].split() == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE"]
    _, kind, cluster_ip, external, ports, _ = table[1].split()
    assert (kind, external, ports) == ("ClusterIP", "<none>", "80/TCP")
    ips = sorted(pod["status"]["podIP"] for pod in nginx.pods("run=my-nginx"))
    eventually(lambda: nginx.addresses("my-nginx") == ips)

    described = nginx.kubectl("describe", "svc", "my-nginx").out
    assert re.search(r"^Selector: +run=my-nginx$", described, re.MULTILINE)
    for words in (("describe", "svc", "my-nginx"), ("get", "ep", "my-nginx")):
        said = partial(nginx.kubectl, *words)
        eventually(lambda said=said: all(f"{ip}:80" in said().out for ip in ips))  # type: ignore[misc]
    slices = r"^my-nginx-[0-9a-z]{5} +IPv4 +80 "
    eventually(lambda: re.search(slices, nginx.kubectl("get", "endpointslices").out, re.MULTILINE))

    eventually(lambda: connects(cluster_ip, 80))
    logs = {pod["metadata"]["name"] for pod in nginx.pods("run=my-nginx")}

    def both_answered() -> bool:
        assert http(f"http://{cluster_ip}/who")[0] == 404
        return all("GET /who" in nginx.kubectl("logs", name).out for name in logs)

    eventually(both_answered)


def test_environment_has_the_services_that_were_there_first(nginx: Namespace) -> None:
    tools.kubectl_at_least(31)
    nginx.kubectl("expose", "deployment/my-nginx")
    old = nginx.pods("run=my-nginx")
    environment = _service_variables(nginx, old[0]["metadata"]["name"])
    assert environment["KUBERNETES_SERVICE_HOST"] == nginx.cluster.config.kubernetes_ip
    assert environment["KUBERNETES_SERVICE_PORT"] == environment["KUBERNETES_SERVICE_PORT_HTTPS"] == "443"
    assert not [name for name in environment if name.startswith("MY_NGINX")]

    nginx.kubectl("scale", "deployment", "my-nginx", "--replicas=0")
    nginx.kubectl("wait", "--for=delete", "pod", "-l", "run=my-nginx", "--timeout=40s")
    nginx.kubectl("scale", "deployment", "my-nginx", "--replicas=2")
    nginx.rolled_out("my-nginx")
    new = nginx.pods("run=my-nginx")
    for part in ("metadata.name", "status.podIP"):
        section, field = part.split(".")
        assert not {p[section][field] for p in old} & {p[section][field] for p in new}, f"new {part}"
    environment = _service_variables(nginx, new[0]["metadata"]["name"])
    ip = nginx.json("svc", "my-nginx")["spec"]["clusterIP"]
    assert environment["MY_NGINX_SERVICE_HOST"] == ip
    assert environment["MY_NGINX_SERVICE_PORT"] == "80"
    everything = nginx.kubectl("exec", new[0]["metadata"]["name"], "--", "printenv").out
    assert f"MY_NGINX_PORT_80_TCP_ADDR={ip}\n" in everything
    assert f"MY_NGINX_PORT=tcp://{ip}:80\n" in everything


def _service_variables(namespace: Namespace, pod: str) -> dict[str, str]:
    lines = namespace.kubectl("exec", pod, "--", "printenv").out.splitlines()
    return dict(line.split("=", 1) for line in lines if "SERVICE" in line)


def test_dns_resolves_the_service(nginx: Namespace) -> None:
    nslookup, dig = tools.need("nslookup", "bind9-dnsutils"), tools.need("dig", "bind9-dnsutils")
    kube_dns = nginx.cluster.kubectl("get", "services", "kube-dns", "--namespace=kube-system").out
    dns_ip = nginx.cluster.config.dns_ip
    assert re.search(rf"^kube-dns +ClusterIP +{dns_ip} +<none> +53/UDP,53/TCP ", kube_dns, re.MULTILINE)
    nginx.kubectl("expose", "deployment/my-nginx")
    ip = nginx.json("svc", "my-nginx")["spec"]["clusterIP"]
    name = f"my-nginx.{nginx.name}.svc.cluster.local"

    def resolved() -> bool:
        answer = subprocess.run(
            [dig, f"@{dns_ip}", name, "+short"], capture_output=True, text=True, check=True
        )
        return answer.stdout.split() == [ip]

    eventually(resolved)
    found = subprocess.run([nslookup, name, dns_ip], capture_output=True, text=True, check=True).stdout
    assert f"Name:\t{name}\nAddress: {ip}\n" in found
    reverse = subprocess.run(
        [dig, f"@{dns_ip}", "-x", ip, "+short"], capture_output=True, text=True, check=True
    )
    assert reverse.stdout == f"{name}.\n"
    tcp = subprocess.run(
        [dig, f"@{dns_ip}", name, "+short", "+tcp"], capture_output=True, text=True, check=True
    )
    assert tcp.stdout.split() == [ip]


def test_logs_events_and_descriptions(nginx: Namespace) -> None:
    pod = nginx.pods("run=my-nginx")[0]
    name = pod["metadata"]["name"]
    http(f"http://{pod['status']['podIP']}/a-path-to-find")
    eventually(lambda: "GET /a-path-to-find" in nginx.kubectl("logs", name).out)

    def described(reason: str) -> bool:
        said = nginx.kubectl("describe", "pod", name).out
        return bool(re.search(rf"^ +Normal +{reason} ", said, re.MULTILINE))

    for reason in ("Scheduled", "Pulled", "Created", "Started"):
        eventually(partial(described, reason))
    for line in ("ScalingReplicaSet", "SuccessfulCreate", "Scheduled", "Started"):
        eventually(lambda line=line: line in nginx.kubectl("get", "events").out)  # type: ignore[misc]
    everything = nginx.kubectl("get", "all").out
    for kind in ("pod/my-nginx-", "deployment.apps/my-nginx", "replicaset.apps/my-nginx-"):
        assert kind in everything


def test_logs_are_followed(nginx: Namespace) -> None:
    pod = nginx.pods("run=my-nginx")[0]
    command = [nginx.cluster.kubectl_path, "-n", nginx.name, "logs", "-f", pod["metadata"]["name"]]
    with subprocess.Popen(command, env=nginx.cluster.env, stdout=subprocess.PIPE, text=True) as follower:
        assert follower.stdout is not None
        http(f"http://{pod['status']['podIP']}/followed")
        assert any("GET /followed" in line for line in follower.stdout)
        follower.kill()


def test_an_image_is_changed_and_the_change_undone(nginx: Namespace) -> None:
    before = {pod["metadata"]["name"] for pod in nginx.pods("run=my-nginx")}
    nginx.kubectl("set", "image", "deployment/my-nginx", "my-nginx=nginx:1.25")
    nginx.rolled_out("my-nginx")
    changed = eventually(lambda: _settled(nginx, 2))
    assert {pod["spec"]["containers"][0]["image"] for pod in changed} == {"nginx:1.25"}
    assert not before & {pod["metadata"]["name"] for pod in changed}
    history = nginx.kubectl("rollout", "history", "deployment/my-nginx").out
    assert re.search(r"^1 .*\n2 ", history, re.MULTILINE)

    assert (
        nginx.kubectl("rollout", "undo", "deployment/my-nginx").out
        == "deployment.apps/my-nginx rolled back\n"
    )
    nginx.rolled_out("my-nginx")
    undone = eventually(lambda: _settled(nginx, 2))
    assert {pod["spec"]["containers"][0]["image"] for pod in undone} == {"nginx"}


def _settled(namespace: Namespace, count: int) -> list[dict[str, Any]]:
    pods = namespace.json("pods", "-l", "run=my-nginx")["items"]
    return list(pods) if len(pods) == count else []


def test_deleting_leaves_nothing(nginx: Namespace) -> None:
    nginx.kubectl("expose", "deployment/my-nginx")
    cluster_ip = nginx.json("svc", "my-nginx")["spec"]["clusterIP"]
    ips = [pod["status"]["podIP"] for pod in nginx.pods("run=my-nginx")]
    eventually(lambda: connects(cluster_ip, 80))
    nginx.kubectl("delete", "deployment,svc", "my-nginx")
    eventually(lambda: nginx.kubectl("get", "all").err.startswith("No resources found"))
    eventually(lambda: not any(connects(ip, 80) for ip in (cluster_ip, *ips)))
    eventually(lambda: nginx.json("endpointslices")["items"] == [])
