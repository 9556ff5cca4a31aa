"""Back-off, DNS settings, volumes, durations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from podyard.api.patch import strategic_merge_patch
from podyard.kubelet.backoff import Backoff
from podyard.kubelet.dns import hostname, hosts_file, parse_resolv_conf, pod_dns
from podyard.kubelet.durations import go_duration
from podyard.kubelet.images import Image
from podyard.kubelet.observed import Observed, forgotten_sandboxes
from podyard.kubelet.runtime import ContainerPort, DnsConfig, ListenMode
from podyard.kubelet.starter import container_config
from podyard.kubelet.status_manager import status_patch
from tests.unit.kubelet.pods import UID, container, pod, sandbox, status

Object = dict[str, Any]


def test_back_off_doubles_up_to_five_minutes() -> None:
    backoff = Backoff()
    delays, now = [], 0.0
    for _ in range(8):
        delays.append(backoff.grow("k", now, now))
        now += delays[-1]
    assert delays == [10, 20, 40, 80, 160, 300, 300, 300]


def test_back_off_counts_from_the_failure() -> None:
    backoff = Backoff()
    assert backoff.remaining("k", 100.0, 100.0) == 0, "the first failure is forgiven at once"
    backoff.grow("k", 100.0, 100.0)
    assert backoff.remaining("k", 101.0, 103.0) == 8
    assert backoff.remaining("k", 101.0, 111.0) == 0
    assert backoff.delay("k") == 10


def test_back_off_starts_anew_after_ten_quiet_minutes() -> None:
    backoff = Backoff()
    backoff.grow("k", 0.0, 0.0)
    backoff.grow("k", 10.0, 10.0)
    assert backoff.remaining("k", 611.0, 611.0) == 0
    assert backoff.grow("k", 611.0, 611.0) == 10


def test_back_off_can_be_restored_and_forgotten() -> None:
    backoff = Backoff()
    backoff.restore(("u", "c"), 3, 100.0)
    assert backoff.delay(("u", "c")) == 40
    backoff.restore(("u", "c"), 9, 100.0)
    assert backoff.delay(("u", "c")) == 40, "what is known is not restored"
    backoff.restore(("u", "d"), 0, 100.0)
    assert backoff.remaining(("u", "d"), 100.0, 100.0) == 0
    backoff.forget("u")
    assert backoff.delay(("u", "c")) == 0


HOST = DnsConfig(servers=("1.1.1.1",), searches=("lan",), options=("timeout:1",))
CLUSTER = DnsConfig(
    servers=("127.96.0.10",),
    searches=("default.svc.cluster.local", "svc.cluster.local", "cluster.local", "lan"),
    options=("ndots:5",),
)


@pytest.mark.parametrize(
    ("fields", "wanted"),
    [
        ({}, CLUSTER),
        ({"dnsPolicy": "ClusterFirst"}, CLUSTER),
        ({"dnsPolicy": "Default"}, HOST),
        ({"hostNetwork": True}, HOST),
        ({"hostNetwork": True, "dnsPolicy": "ClusterFirstWithHostNet"}, CLUSTER),
        (
            {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["9.9.9.9"], "options": [{"name": "edns0"}]}},
            DnsConfig(servers=("9.9.9.9",), options=("edns0",)),
        ),
        (
            {
                "dnsConfig": {
                    "nameservers": ["9.9.9.9"],
                    "searches": ["x", "lan"],
                    "options": [{"name": "ndots", "value": "2"}],
                }
            },
            DnsConfig(
                servers=("127.96.0.10", "9.9.9.9"), searches=(*CLUSTER.searches, "x"), options=("ndots:2",)
            ),
        ),
    ],
)
def test_dns(fields: Object, wanted: DnsConfig) -> None:
    subject = pod()
    subject["spec"] |= fields
    assert pod_dns(subject, "127.96.0.10", "cluster.local", HOST) == wanted


def test_resolv_conf() -> None:
    text = "# comment\nnameserver 1.1.1.1\nnameserver 8.8.8.8\nsearch a b\noptions ndots:1 rotate\n"
    assert parse_resolv_conf(text) == DnsConfig(
        servers=("1.1.1.1", "8.8.8.8"), searches=("a", "b"), options=("ndots:1", "rotate")
    )


def test_host_names() -> None:
    subject = pod(name="x" * 62 + ".y")
    assert hostname(subject, "node1", "cluster.local") == "x" * 62
    subject["spec"]["hostname"] = "own"
    assert hostname(subject, "node1", "cluster.local") == "own"
    subject["spec"] |= {"subdomain": "sub", "setHostnameAsFQDN": True}
    assert hostname(subject, "node1", "cluster.local") == "own.sub.default.svc.cluster.local"
    subject["spec"]["subdomain"] = "x" * 60  # too long for the kernel
    assert hostname(subject, "node1", "cluster.local") == "own"
    subject["spec"]["hostNetwork"] = True
    assert hostname(subject, "node1", "cluster.local") == "node1"


def test_hosts_file() -> None:
    subject = pod(name="web-0")
    lines = hosts_file(subject, "127.244.1.2", "cluster.local", "1.2.3.4 other").splitlines()
    assert lines[0] == "# Kubernetes-managed hosts file."
    assert lines[1] == "127.0.0.1\tlocalhost"
    assert lines[-1] == "127.244.1.2\tweb-0"
    subject["spec"] |= {
        "subdomain": "sub",
        "hostAliases": [{"ip": "10.1.2.3", "hostnames": ["foo", "bar"]}, {"ip": "10.1.2.4"}],
    }
    assert hosts_file(subject, "127.244.1.2", "cluster.local", "").splitlines()[-5:] == [
        "127.244.1.2\tweb-0.sub.default.svc.cluster.local\tweb-0",
        "",
        "# Entries added by HostAliases.",
        "10.1.2.3\tfoo\tbar",
        "10.1.2.4\t",
    ]


def test_hosts_file_on_the_nodes_network() -> None:
    subject = pod()
    subject["spec"] |= {"hostNetwork": True, "hostAliases": [{"ip": "10.1.2.3", "hostnames": ["foo"]}]}
    assert hosts_file(subject, "127.10.0.1", "cluster.local", "1.2.3.4 other\n") == (
        "# Kubernetes-managed hosts file (host network).\n1.2.3.4 other\n"
        "\n# Entries added by HostAliases.\n10.1.2.3\tfoo\n"
    )


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.0123, "12ms"), (1.5, "1.5s"), (10, "10s"), (80, "1m20s"), (300, "5m0s"), (3601, "1h0m1s")],
)
def test_durations(seconds: float, text: str) -> None:
    assert go_duration(seconds) == text


IMAGE = Image(
    id="sha256:abc",
    reference="docker.io/library/nginx:latest",
    size=1,
    entrypoint=("nginx",),
    command=("-g", "off"),
    env={"PATH": "/image", "A": "image"},
    working_dir="/srv",
    ports=(ContainerPort(container_port=80),),
    listen=ListenMode.ADDRESS,
    wait_for_ports=True,
)


def test_what_the_runtime_is_told() -> None:
    config = container_config(container("web"), 2, IMAGE, {"A": "pod"})
    assert config.command == ["nginx", "-g", "off"]
    assert config.env == {"PATH": "/image", "A": "pod"}
    assert (config.image, config.image_id, config.attempt) == (IMAGE.reference, IMAGE.id, 2)
    assert (config.working_dir, config.log_path, config.ports) == ("/srv", "web/2.log", IMAGE.ports)
    assert (config.listen, config.wait_for_ports) == (ListenMode.ADDRESS, True)


def test_what_the_pod_asks_for_comes_before_the_image() -> None:
    web = container(
        "web",
        command=["sh", "-c"],
        args=["echo $(A)"],
        workingDir="/w",
        ports=[{"containerPort": 81, "protocol": "UDP"}],
        tty=True,
        stdin=True,
    )
    config = container_config(web, 0, IMAGE, {"A": "pod"})
    assert config.command == ["sh", "-c", "echo pod"]
    assert (config.working_dir, config.tty, config.stdin) == ("/w", True, True)


@pytest.mark.parametrize(
    ("command", "args", "ports", "waits"),
    [
        ([], [], [], True),
        ([], ["-v"], [], True),
        (["/usr/sbin/nginx"], [], [], True),
        (["sh"], [], [], False),
        (["sh", "-c"], ["exec nginx"], [{"containerPort": 80}], True),
    ],
)
def test_only_what_is_to_listen_is_waited_for(
    command: list[str], args: list[str], ports: list[Object], waits: bool
) -> None:
    web = container("web", command=command, args=args, ports=ports)
    assert container_config(web, 0, IMAGE, {}).wait_for_ports is waits
    assert not container_config(web, 0, replace(IMAGE, wait_for_ports=False), {}).wait_for_ports


@pytest.mark.parametrize(("command", "blocked"), [([], True), (["nginx", "-v"], True), (["sh"], False)])
def test_the_stop_signal_is_blocked_only_for_the_program_that_knows(
    command: list[str], blocked: bool
) -> None:
    web = container("web", command=command)
    knows = replace(IMAGE, stop_signal_blocked=True)
    assert container_config(web, 0, knows, {}).stop_signal_blocked is blocked
    assert not container_config(web, 0, IMAGE, {}).stop_signal_blocked


def test_an_image_listens_on_its_own_ports_whatever_the_pod_declares() -> None:
    web = container("web", ports=[{"containerPort": 81, "protocol": "UDP"}])
    assert container_config(web, 0, IMAGE, {}).ports == IMAGE.ports
    declared = (ContainerPort(container_port=81, protocol="UDP"),)
    assert container_config(web, 0, replace(IMAGE, ports=()), {}).ports == declared


def test_a_status_patch_meets_one_pod_and_drops_what_is_past() -> None:
    subject = pod()
    subject["status"] = {"phase": "Pending", "reason": "Odd", "message": "m", "nominatedNodeName": "n"}
    assert status_patch(subject, {"phase": "Running", "message": "new"}) == {
        "metadata": {"uid": UID},
        "status": {"phase": "Running", "message": "new", "reason": None},
    }


def test_a_status_patch_leaves_nothing_of_a_past_condition_or_address() -> None:
    subject = pod()
    gate = {"type": "example.com/gate", "status": "True", "reason": "Open"}
    unready = {"type": "Ready", "status": "False", "reason": "ContainersNotReady", "message": "unready"}
    subject["status"] = {
        "podIPs": [{"ip": "127.244.1.2"}],
        "hostIPs": [{"ip": "127.10.0.1"}],
        "conditions": [gate, unready],
    }
    status = {
        "podIPs": [{"ip": "127.244.1.3"}],
        "hostIPs": [{"ip": "127.10.0.1"}],
        "conditions": [{"type": "Ready", "status": "True"}],
    }
    patched = strategic_merge_patch("v1", "Pod", subject, status_patch(subject, status))
    assert patched["status"] == {**status, "conditions": [gate, {"type": "Ready", "status": "True"}]}


def test_sandboxes_go_when_nothing_of_theirs_is_remembered() -> None:
    """As of a pod whose host has booted three times."""
    sandboxes = [sandbox(ready=False, attempt=number) for number in range(4)]
    seen = Observed(sandboxes[-1], (status("web", "exited", attempt=2, sandbox_id="s2"),))
    assert forgotten_sandboxes(UID, seen, sandboxes) == ["s0", "s1"]
    assert forgotten_sandboxes("another", Observed(), sandboxes) == []
    assert forgotten_sandboxes(UID, Observed(sandboxes[-1]), sandboxes[-1:]) == [], "the last one stays"
