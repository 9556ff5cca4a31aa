"""Pods as real processes: restarts, probes, init containers, exec, termination."""

from __future__ import annotations

import os
import pty
import re
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import manifests, tools
from tests.e2e.harness import Namespace, connects, eventually, http


@pytest.fixture
def web(namespace: Namespace) -> Namespace:
    """Two nginx pods behind a Service."""
    namespace.apply(manifests.web())
    namespace.rolled_out("web")
    eventually(lambda: len(namespace.addresses("web")) == 2)
    return namespace


def listener_pid(address: str, port: int) -> int:
    """The pid of the process that listens there."""
    wanted = "".join(f"{int(part):02X}" for part in reversed(address.split("."))) + f":{port:04X}"
    with open("/proc/net/tcp") as table:
        inodes = [f[9] for f in map(str.split, table) if f[1] == wanted and f[3] == "0A"]
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            for descriptor in os.scandir(f"/proc/{pid}/fd"):
                if os.readlink(descriptor.path) in [f"socket:[{inode}]" for inode in inodes]:
                    return int(pid)
        except OSError:
            continue
    raise AssertionError(f"nobody listens on {address}:{port}")


def container_status(namespace: Namespace, pod: str) -> dict[str, Any]:
    """The status of a pod's first container."""
    return dict(namespace.json("pod", pod)["status"]["containerStatuses"][0])


def test_a_killed_process_is_restarted(web: Namespace) -> None:
    pod = web.pods("app=web")[0]
    name, ip = pod["metadata"]["name"], pod["status"]["podIP"]
    os.kill(listener_pid(ip, 80), signal.SIGKILL)
    status = eventually(
        lambda: (s := container_status(web, name))["restartCount"] == 1 and s.get("ready") and s
    )
    assert status["lastState"]["terminated"]["exitCode"] == 137
    assert web.json("pod", name)["status"]["podIP"] == ip
    assert http(f"http://{ip}")[0] == 200
    eventually(lambda: ip in web.addresses("web"))


def test_a_process_that_keeps_ending_is_backed_off(namespace: Namespace) -> None:
    namespace.kubectl("run", "ends", "--image=busybox", "--", "sh", "-c", "echo here; exit 3")
    eventually(lambda: "CrashLoopBackOff" in namespace.kubectl("get", "pod", "ends").out)
    status = eventually(
        lambda: (
            (s := container_status(namespace, "ends"))["state"]["waiting"]["reason"] == "CrashLoopBackOff"
            and s
        )
    )
    assert status["restartCount"] >= 1
    assert status["lastState"]["terminated"]["exitCode"] == 3
    assert re.match(r"back-off \d+s restarting failed container=ends", status["state"]["waiting"]["message"])
    assert namespace.kubectl("logs", "ends", "--previous").out == "here\n"


def test_a_deleted_pod_is_replaced(web: Namespace) -> None:
    before = web.pods("app=web")
    gone = before[0]
    web.kubectl("delete", "pod", gone["metadata"]["name"])
    web.rolled_out("web")
    after = eventually(lambda: {p["metadata"]["name"]: p["status"]["podIP"] for p in web.pods("app=web")})
    assert len(after) == 2
    assert gone["metadata"]["name"] not in after
    ips = sorted(after.values())
    assert gone["status"]["podIP"] not in ips
    eventually(lambda: web.addresses("web") == ips)
    assert not connects(gone["status"]["podIP"], 80)


def test_pods_that_are_deleted_while_they_start_end_at_once(namespace: Namespace) -> None:
    """None is killed when its grace period is over, in whatever moment of its start it was told to end."""
    names = [f"hasty-{number}" for number in range(4)]
    namespace.apply(
        "\n---\n".join(
            # The finalizer keeps the object until its last status has been read.
            f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, finalizers: [example.com/hold]}}\n"
            "spec: {containers: [{name: nginx, image: nginx}]}"
            for name in names
        )
    )
    for name in names:
        namespace.kubectl("delete", "pod", name, "--wait=false")
    for name in names:
        end = eventually(
            lambda name=name: (  # type: ignore[misc]
                namespace.json("pod", name)["status"]["phase"] in ("Succeeded", "Failed")
                and container_status(namespace, name)["state"]["terminated"]
            )
        )
        assert (end["exitCode"], end["reason"]) in [(0, "Completed"), (137, "ContainerStatusUnknown")]
        namespace.kubectl("patch", "pod", name, "-p", '{"metadata": {"finalizers": null}}')
    namespace.kubectl("wait", "--for=delete", *(f"pod/{name}" for name in names), "--timeout=20s")


def test_endpoints_follow_readiness(namespace: Namespace) -> None:
    tools.kubectl_at_least(31)
    file = f"/tmp/podyard-test-{namespace.name}-{os.getpid()}"
    probe = {"exec": {"command": ["test", "-e", file]}, "periodSeconds": 1, "failureThreshold": 1}
    namespace.apply(manifests.web(replicas=1, container={"readinessProbe": probe}))
    pod = eventually(lambda: [p for p in namespace.pods("app=web") if p["status"]["phase"] == "Running"])[0]
    name, ip = pod["metadata"]["name"], pod["status"]["podIP"]
    eventually(lambda: namespace.json("endpoints", "web"))
    assert namespace.addresses("web") == []
    assert not connects(namespace.json("svc", "web")["spec"]["clusterIP"], 80), "no endpoints: refused"
    namespace.kubectl("exec", name, "--", "touch", file)
    eventually(lambda: namespace.addresses("web") == [ip])
    namespace.kubectl("exec", name, "--", "rm", file)
    eventually(lambda: namespace.addresses("web") == [])
    eventually(lambda: "Readiness probe failed" in namespace.kubectl("get", "events").out)


def test_a_failed_liveness_probe_restarts(namespace: Namespace) -> None:
    probe = {"httpGet": {"path": "/not-there", "port": 80}, "periodSeconds": 1, "failureThreshold": 1}
    namespace.apply(manifests.web(container={"livenessProbe": probe}))
    name = eventually(lambda: namespace.pods("app=web"))[0]["metadata"]["name"]

    def restarted() -> bool:
        statuses = namespace.json("pod", name)["status"].get("containerStatuses")
        return bool(statuses) and statuses[0]["restartCount"] >= 1

    eventually(restarted)
    why = "Liveness probe failed: HTTP probe failed with statuscode: 404"
    eventually(lambda: why in namespace.kubectl("get", "events").out)


def test_init_containers_go_first(namespace: Namespace) -> None:
    namespace.apply("""
apiVersion: v1
kind: Pod
metadata: {name: two}
spec:
  initContainers:
  - {name: first, image: busybox, command: [sh, -c, echo first]}
  containers:
  - {name: a, image: busybox, command: [sh, -c, 'echo a; exec sleep 1000']}
  - {name: b, image: busybox, command: [sh, -c, 'echo b; exec sleep 1000']}
""")
    namespace.kubectl("wait", "--for=condition=Ready", "pod/two", "--timeout=20s")
    status = namespace.json("pod", "two")["status"]
    first = status["initContainerStatuses"][0]["state"]["terminated"]
    assert (first["exitCode"], first["reason"]) == (0, "Completed")
    eventually(lambda: namespace.kubectl("logs", "two", "-c", "b").out == "b\n")
    all_logs = ("logs", "two", "--all-containers", "--prefix")
    eventually(lambda: "[pod/two/a] a\n" in namespace.kubectl(*all_logs).out)
    namespace.kubectl("delete", "pod", "two", "--grace-period=1")


def test_environment_from_fields_config_maps_and_secrets(namespace: Namespace) -> None:
    namespace.kubectl("create", "configmap", "c", "--from-literal=colour=green", "--from-literal=size=big")
    namespace.kubectl("create", "secret", "generic", "s", "--from-literal=word=hush")
    namespace.apply("""
apiVersion: v1
kind: Pod
metadata: {name: env, labels: {tier: front}}
spec:
  restartPolicy: Never
  containers:
  - name: env
    image: busybox
    command: [printenv]
    resources: {limits: {memory: 64Mi}}
    envFrom: [{prefix: C_, configMapRef: {name: c}}]
    env:
    - {name: NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
    - {name: TIER, valueFrom: {fieldRef: {fieldPath: "metadata.labels['tier']"}}}
    - {name: NODE, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
    - {name: IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
    - {name: MEMORY, valueFrom: {resourceFieldRef: {resource: limits.memory, divisor: 1Mi}}}
    - {name: COLOUR, valueFrom: {configMapKeyRef: {name: c, key: colour}}}
    - {name: WORD, valueFrom: {secretKeyRef: {name: s, key: word}}}
    - {name: ABSENT, valueFrom: {secretKeyRef: {name: s, key: none, optional: true}}}
    - {name: SENTENCE, value: "$(NAME) is $(COLOUR), $$(NAME) $(UNKNOWN)"}
""")
    namespace.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/env", "--timeout=20s")
    lines = dict(line.split("=", 1) for line in namespace.kubectl("logs", "env").out.splitlines())
    pod = namespace.json("pod", "env")
    expected = {
        "NAME": "env", "TIER": "front", "NODE": pod["spec"]["nodeName"], "IP": pod["status"]["podIP"],
        "MEMORY": "64", "COLOUR": "green", "WORD": "hush", "C_size": "big", "HOSTNAME": "env",
        "SENTENCE": "env is green, $(NAME) $(UNKNOWN)",
    }  # fmt: skip
    assert {name: lines.get(name) for name in expected} == expected
    assert "ABSENT" not in lines


def test_a_missing_config_map_is_waited_for(namespace: Namespace) -> None:
    namespace.apply("""
apiVersion: v1
kind: Pod
metadata: {name: waits}
spec:
  containers:
  - {name: c, image: busybox, command: [sleep, '1000'], envFrom: [{configMapRef: {name: later}}]}
""")
    eventually(lambda: "CreateContainerConfigError" in namespace.kubectl("get", "pod", "waits").out)
    eventually(lambda: 'configmap "later" not found' in namespace.kubectl("describe", "pod", "waits").out)
    namespace.kubectl("create", "configmap", "later", "--from-literal=a=b")
    namespace.kubectl("wait", "--for=condition=Ready", "pod/waits", "--timeout=30s")
    namespace.kubectl("delete", "pod", "waits", "--now")


def test_termination_hooks_and_grace(namespace: Namespace, tmp_path: Path) -> None:
    namespace.apply(f"""
apiVersion: v1
kind: Pod
metadata: {{name: slow}}
spec:
  terminationGracePeriodSeconds: 2
  volumes: [{{name: shared, hostPath: {{path: {tmp_path}}}}}]
  containers:
  - name: c
    image: busybox
    volumeMounts: [{{name: shared, mountPath: /shared}}]
    command: [sh, -c, "trap 'echo term >> /shared/file' TERM; touch /shared/up; while :; do sleep 0.1; done"]
    lifecycle: {{preStop: {{exec: {{command: [sh, -c, "echo stop >> /shared/file"]}}}}}}
""")
    namespace.kubectl("wait", "--for=condition=Ready", "pod/slow", "--timeout=20s")
    eventually((tmp_path / "up").exists)
    began = time.monotonic()
    namespace.kubectl("delete", "pod", "slow")
    assert time.monotonic() - began >= 2, "it ignores SIGTERM, so it had its whole grace period"
    assert (tmp_path / "file").read_text().split() == ["stop", "term"]


class TestExec:
    """kubectl exec over WebSocket."""

    @pytest.fixture
    def box(self, namespace: Namespace) -> Namespace:
        tools.kubectl_at_least(31)
        namespace.kubectl("run", "box", "--image=busybox", "--", "sleep", "1000")
        namespace.kubectl("wait", "--for=condition=Ready", "pod/box", "--timeout=20s")
        return namespace

    def test_output_errors_and_exit_status(self, box: Namespace) -> None:
        done = box.kubectl("exec", "box", "--", "sh", "-c", "echo out; echo err >&2; exit 7", ok=False)
        assert (done.code, done.out) == (7, "out\n")
        assert done.err == "err\ncommand terminated with exit code 7\n"

    def test_standard_input_to_its_end(self, box: Namespace) -> None:
        text = "".join(f"line {n}\n" for n in range(20_000))
        assert box.kubectl("exec", "-i", "box", "--", "cat", stdin=text).out == text

    def test_a_command_that_is_not_there(self, box: Namespace) -> None:
        done = box.kubectl("exec", "box", "--", "no-such-command", ok=False)
        assert done.code != 0
        assert "no-such-command" in done.err

    def test_a_terminal(self, box: Namespace) -> None:
        master, slave = pty.openpty()
        command = [box.cluster.kubectl_path, "-n", box.name, "exec", "-it", "box", "--", "sh"]
        with subprocess.Popen(
            command, env=box.cluster.env, stdin=slave, stdout=slave, stderr=slave
        ) as client:
            os.close(slave)
            os.write(master, b"stty size; tty; exit 5\n")
            shown = b""
            while True:
                try:
                    part = os.read(master, 4096)
                except OSError:  # the terminal is closed at the other end
                    break
                if not part:
                    break
                shown += part
            assert client.wait(timeout=20) == 5
        os.close(master)
        assert re.search(rb"/dev/pts/\d+", shown), shown
