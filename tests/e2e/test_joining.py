"""Hosts that join a server: tokens, certificates, what a node may, and what goes on without the server."""

from __future__ import annotations

import os
import re
import shlex
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import yaml

from tests.e2e import tools
from tests.e2e.harness import PODYARD, Done, eventually, http, kill
from tests.e2e.hosts import Hosts
from tests.e2e.manifests import spread_web

SECRETS = """
apiVersion: v1
kind: Secret
metadata: {name: used}
stringData: {COLOUR: blue}
---
apiVersion: v1
kind: Secret
metadata: {name: unused}
"""


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """A server, two nodes, and a web server on each."""
    made = Hosts(tmp_path_factory.mktemp("hosts"), 0, tools.kubectl())
    try:
        made.start_server()
        made.join(1)
        made.join(2)
        web = spread_web(replicas=2, container={"envFrom": [{"secretRef": {"name": "used"}}]})
        made.kubectl("apply", "-f", "-", stdin=f"{web}---{SECRETS}")
        made.kubectl("rollout", "status", "deployment/web", "--timeout=50s")
        yield made
    finally:
        made.close()


def pods(hosts: Hosts) -> dict[str, str]:
    """Pod → node of the pods that serve."""
    return {
        pod["metadata"]["name"]: pod["spec"].get("nodeName", "none yet")
        for pod in hosts.json("pods", "-l", "app=web")["items"]
        if "deletionTimestamp" not in pod["metadata"]
    }


def service_ip(hosts: Hosts, name: str = "web", namespace: str = "default") -> str:
    return str(hosts.json("service", name, "-n", namespace)["spec"]["clusterIP"])


def serves(hosts: Hosts) -> bool:
    return http(f"http://{service_ip(hosts)}")[0] == 200


def resolves(address: str, name: str) -> str:
    dig = tools.need("dig", "dnsutils")
    import subprocess

    words = [dig, "+short", "+tries=2", f"@{address}", name]
    return subprocess.run(words, capture_output=True, text=True, check=False).stdout.strip()


def test_hosts_become_nodes(hosts: Hosts) -> None:
    assert hosts.ready_nodes() == ["node1", "node2"]
    wide = hosts.kubectl("get", "nodes", "-o", "wide").out
    assert all(host.address in wide for host in hosts.nodes.values())
    assert sorted(pods(hosts).values()) == ["node1", "node2"]
    assert eventually(lambda: serves(hosts))
    for pod in pods(hosts):
        assert "COLOUR=blue" in hosts.kubectl("exec", pod, "--", "printenv").out
        hosts.kubectl("logs", pod)
    dns = service_ip(hosts, "kube-dns", "kube-system")
    for server in (dns, hosts.server.address):
        asked = partial(resolves, server, "web.default.svc.cluster.local")
        eventually(lambda asked=asked: asked() == service_ip(hosts))  # type: ignore[misc]


def test_a_host_joins_in_less_than_five_seconds(hosts: Hosts) -> None:
    """Generously: on an idle machine it takes one."""
    began = time.monotonic()
    hosts.join(3)
    assert "node3" in hosts.ready_nodes()
    seconds = time.monotonic() - began
    hosts.nodes.pop("node3").podyard("down", "--purge")
    hosts.kubectl("delete", "node", "node3")
    assert hosts.ready_nodes() == ["node1", "node2"]
    assert seconds < 20


def test_certificates_come_by_request(hosts: Hosts) -> None:
    listed = hosts.kubectl("get", "csr").out.splitlines()
    assert listed[0].split() == ["NAME", "AGE", "SIGNERNAME", "REQUESTOR", "REQUESTEDDURATION", "CONDITION"]
    rows = [line.split() for line in listed[1:]]
    clients = [row for row in rows if row[2] == "kubernetes.io/kube-apiserver-client-kubelet"]
    serving = [row for row in rows if row[2] == "kubernetes.io/kubelet-serving"]
    assert {row[3].rpartition(":")[0] for row in clients} == {"system:bootstrap"}
    assert {"system:node:node1", "system:node:node2"} <= {row[3] for row in serving}
    assert {row[5] for row in clients + serving} == {"Approved,Issued"}


def test_a_node_reads_and_writes_what_is_its_own(hosts: Hosts) -> None:
    here = hosts.nodes["node1"].home / ".podyard" / "podyard" / "pki"
    config = yaml.safe_load((hosts.server.home / ".kube" / "config").read_text())
    name = config["current-context"]
    pem = str(here / "kubelet-client-current.pem")
    config["users"] = [{"name": name, "user": {"client-certificate": pem, "client-key": pem}}]
    file = hosts.server.home / "node1.kubeconfig"
    file.write_text(yaml.safe_dump(config))

    def as_node(*words: str) -> Done:
        return hosts.kubectl("--kubeconfig", str(file), *words, ok=False)

    assert as_node("auth", "whoami").out.splitlines()[1].split() == ["Username", "system:node:node1"]
    assert as_node("get", "secret", "used").code == 0
    for words, why in (
        (
            ("get", "secret", "unused"),
            'secrets "unused" is forbidden: User "system:node:node1" cannot get '
            'resource "secrets" in API group "" in the namespace "default": no relationship found between '
            "node 'node1' and this object\n",
        ),
        (
            ("annotate", "node", "node2", "a=b"),
            'nodes "node2" is forbidden: node "node1" is not allowed to modify node "node2"\n',
        ),
        (
            ("label", "node", "node1", "node-restriction.kubernetes.io/a=b"),
            'nodes "node1" is forbidden: node "node1" is not allowed to modify '
            "labels: node-restriction.kubernetes.io/a\n",
        ),
    ):
        done = as_node(*words)
        assert (done.code, done.err) == (1, f"Error from server (Forbidden): {why}")
    can_i = as_node("auth", "can-i", "create", "pods/exec")
    assert (can_i.code, can_i.out) == (1, "no\n")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"--token": "abcdef.0123456789abcdef"}, "the server does not take this token"),
        ({"--token": "nonsense"}, "the token does not have the form of one"),
        ({"--ca-cert-hash": "sha256:" + "0" * 64}, "it is another cluster than the one that the hash is of"),
        ({"--node-name": "node1"}, 'a Node with name "node1" and status "Ready" already exists'),
        ({"--token": ""}, "--token is missing: this host has not joined yet"),
        ({"server": "127.0.0.1:1"}, "cannot reach 127.0.0.1:1: Connection refused"),
        ({"--data-dir": "elsewhere"}, "elsewhere is not empty (it holds thesis.txt)"),
    ],
)
def test_refusals(hosts: Hosts, change: dict[str, str], why: str) -> None:
    host = hosts.host(9)
    elsewhere = host.home / "elsewhere"
    elsewhere.mkdir(exist_ok=True)
    (elsewhere / "thesis.txt").touch()
    _, server, *rest = hosts.join_words()
    flags = dict(zip(rest[::2], rest[1::2], strict=True))
    flags = {**flags, "--node-name": "node9", "--node-ip": host.address, **change}
    if "--data-dir" in change:
        flags["--data-dir"] = str(elsewhere)
    words = [word for pair in flags.items() if pair[0] != "server" for word in pair if pair[1]]
    done = host.podyard("join", change.get("server", server), *words, ok=False, timeout=30)
    assert (done.code, done.err.count("\n")) == (1, 1), done
    assert done.err.startswith("podyard: ")
    assert why in done.err
    assert not (host.home / ".podyard" / "podyard").exists()


def test_tokens(hosts: Hosts) -> None:
    def token(*words: str, ok: bool = True) -> Done:
        return hosts.server.podyard("token", *words, "--name", hosts.server.name, ok=ok)

    made = token("create", "abcdef.0123456789abcdef", "--description", "by hand", "--ttl", "2h")
    assert made.out == "abcdef.0123456789abcdef\n"
    listed = next(line for line in token("list").out.splitlines() if line.startswith("abcdef."))
    assert re.split(r"\s{2,}", listed)[3:5] == ["authentication", "by hand"]
    assert token("create", "abcdef.0123456789abcdef", ok=False).err == (
        "podyard: there is a token with id 'abcdef' already\n"
    )
    assert token("delete", "abcdef").out == 'bootstrap token "abcdef" deleted\n'
    assert "abcdef." not in token("list").out
    assert token("delete", "abcdef", ok=False).err == "podyard: there is no token with id 'abcdef'\n"
    short = token("create", "--ttl", "1s").out.strip()
    eventually(lambda: short not in token("list").out)


def test_a_container_s_join_command_stays_while_its_token_does(hosts: Hosts, tmp_path: Path) -> None:
    """What the server of docker-compose.yml publishes at every start."""
    (tmp_path / "podyard").write_text(
        f'#!/bin/sh\nexec {shlex.join(PODYARD)} "$@" --name {hosts.server.name}\n'
    )
    (tmp_path / "podyard").chmod(0o755)
    file = tmp_path / "command"

    def command() -> str:
        path = f"PATH={tmp_path}:{os.environ['PATH']}"
        file.write_text(hosts.server.run("env", path, "docker/bin/join-command", str(file)).out)
        return file.read_text().split("--token ")[1].split()[0]

    def forever() -> list[str]:
        listed = hosts.server.podyard("token", "list", "--name", hosts.server.name).out
        return [line.split()[0] for line in listed.splitlines() if "<forever>" in line]

    first = command()
    assert command() == first
    assert forever() == [first]
    hosts.server.podyard("token", "delete", first.split(".")[0], "--name", hosts.server.name)
    second = command()
    assert second != first
    assert forever() == [second]
    assert file.read_text().startswith(f"podyard join {hosts.server.address}:")


def spread(hosts: Hosts) -> None:
    """Have a ready pod on either node again."""
    hosts.kubectl("delete", "pods", "-l", "app=web")
    eventually(lambda: sorted(pods(hosts).values()) == ["node1", "node2"])
    hosts.kubectl("wait", "--for=condition=Ready", "pods", "-l", "app=web", "--timeout=50s")


def test_cordon_and_drain(hosts: Hosts) -> None:
    for kubectl in (hosts.kubectl, hosts.builtin):
        assert kubectl("cordon", "node1").out == "node/node1 cordoned\n"
        assert kubectl("cordon", "node1").out == "node/node1 already cordoned\n"
        assert kubectl("uncordon", "node1").out == "node/node1 uncordoned\n"
        hosts.kubectl(
            "run", "bare", "--image=busybox", "--restart=Never",
            '--overrides={"spec":{"nodeName":"node1","terminationGracePeriodSeconds":0}}',
            "--command", "--", "sleep", "1000",
        )  # fmt: skip
        refused = kubectl("drain", "node1", ok=False)
        assert (refused.code, refused.out) == (1, "node/node1 cordoned\n")
        assert "Pods that declare no controller (use --force to override): default/bare" in refused.err
        assert "There are pending nodes to be drained:\n node1\n" in refused.err
        on_node1 = [pod for pod, node in pods(hosts).items() if node == "node1"]
        drained = kubectl("drain", "node1", "--force")
        assert drained.err == "Warning: deleting Pods that declare no controller: default/bare\n"
        lines = drained.out.splitlines()
        assert (lines[0], lines[-1]) == ("node/node1 already cordoned", "node/node1 drained")
        assert {f"evicting pod default/{pod}" for pod in (*on_node1, "bare")} <= set(lines)
        assert {f"pod/{pod} evicted" for pod in (*on_node1, "bare")} <= set(lines)
        hosts.kubectl("rollout", "status", "deployment/web", "--timeout=50s")
        eventually(lambda: list(pods(hosts).values()) == ["node2"] * 2)
        assert serves(hosts)
        hosts.kubectl("uncordon", "node1")
        spread(hosts)


def test_drain_by_deleting(hosts: Hosts) -> None:
    """Past a budget, and of some pods alone."""
    hosts.kubectl("create", "poddisruptionbudget", "web", "--selector=app=web", "--min-available=2")
    try:
        for kubectl in (hosts.kubectl, hosts.builtin):
            before = pods(hosts)
            other = kubectl("drain", "node1", "--pod-selector=app=other", "--disable-eviction").out
            assert other == "node/node1 cordoned\nnode/node1 drained\n"
            assert pods(hosts) == before
            done = kubectl("drain", "node1", "--disable-eviction", "--grace-period=1").out.splitlines()
            gone = {pod for pod, node in before.items() if node == "node1"}
            assert {f"pod/{pod} deleted" for pod in gone} <= set(done)
            hosts.kubectl("rollout", "status", "deployment/web", "--timeout=50s")
            hosts.kubectl("uncordon", "node1")
            spread(hosts)
    finally:
        hosts.kubectl("delete", "poddisruptionbudget", "web")
        hosts.kubectl("uncordon", "node1")


def test_a_budget_holds_a_drain_up(hosts: Hosts) -> None:
    hosts.kubectl("create", "poddisruptionbudget", "web", "--selector=app=web", "--min-available=2")
    try:
        held = hosts.builtin("drain", "node1", "--timeout=4s", ok=False)
        assert held.code == 1
        assert "Cannot evict pod as it would violate the pod's disruption budget." in held.err
        assert "(will retry after 5s)" in held.err
        assert "drain did not complete within 4s" in held.err
    finally:
        hosts.kubectl("delete", "poddisruptionbudget", "web")
        hosts.kubectl("uncordon", "node1")


def test_a_certificate_for_a_person(hosts: Hosts) -> None:
    from tests.support.certificates import encoded_request

    for number, kubectl in enumerate((hosts.kubectl, hosts.builtin)):
        for name in (f"yes{number}", f"no{number}"):
            request = {
                "apiVersion": "certificates.k8s.io/v1",
                "kind": "CertificateSigningRequest",
                "metadata": {"name": name},
                "spec": {
                    "request": encoded_request("jane", "developers"),
                    "signerName": "kubernetes.io/kube-apiserver-client",
                    "usages": ["client auth"],
                },
            }
            hosts.kubectl("apply", "-f", "-", stdin=yaml.safe_dump(request))
        prefix = "certificatesigningrequest.certificates.k8s.io/"
        assert kubectl("certificate", "approve", f"yes{number}").out == f"{prefix}yes{number} approved\n"
        assert kubectl("certificate", "deny", f"no{number}").out == f"{prefix}no{number} denied\n"
        twice = kubectl("certificate", "deny", f"yes{number}", ok=False)
        assert f'certificate signing request "yes{number}" is already Approved' in twice.err
        eventually(partial(has_certificate, hosts, f"yes{number}"))
        assert not has_certificate(hosts, f"no{number}")


def has_certificate(hosts: Hosts, name: str) -> bool:
    return "certificate" in hosts.json("csr", name)["status"]


def test_nodes_go_on_without_the_server(hosts: Hosts) -> None:
    address, dns = service_ip(hosts), service_ip(hosts, "kube-dns", "kube-system")
    before = pods(hosts)
    kill(hosts.server.supervisor())
    eventually(lambda: hosts.kubectl("get", "nodes", ok=False).code != 0)
    for _ in range(10):
        assert http(f"http://{address}")[0] == 200
        assert resolves(dns, "web.default.svc.cluster.local") == address
    assert all(p["health"] == "ready" for host in hosts.nodes.values() for p in host.status())
    # A node starts again without the server, too.
    kill(hosts.nodes["node2"].supervisor())
    alone = hosts.nodes["node2"].podyard("join", "-d")
    assert "runs on, and is ready when" in alone.out
    assert http(f"http://{address}")[0] == 200
    hosts.start_server()
    eventually(lambda: hosts.ready_nodes() == ["node1", "node2"])
    eventually(lambda: len(pods(hosts)) == 2 and serves(hosts))
    assert {name for name, node in pods(hosts).items() if node == "node1"} <= before.keys()
    hosts.kubectl("scale", "deployment/web", "--replicas=3")
    hosts.kubectl("rollout", "status", "deployment/web", "--timeout=50s")
    hosts.kubectl("scale", "deployment/web", "--replicas=2")


def test_a_node_goes_on_after_a_kill_without_a_token(hosts: Hosts) -> None:
    host = hosts.nodes["node1"]
    before = pods(hosts)
    kill(host.supervisor())  # what it ran ends with it, in its own time
    done = host.podyard("join", "-d")
    assert "Node node1 of cluster" in done.out
    assert "node1" in hosts.ready_nodes()
    assert pods(hosts).keys() == before.keys()
    assert eventually(lambda: serves(hosts))
    other = host.podyard("join", "--node-name", "node7", ok=False)
    assert (other.code, other.err.count("\n")) == (1, 1)
    assert "belongs to node node1, not node7" in other.err
