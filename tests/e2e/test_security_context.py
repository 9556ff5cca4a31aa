"""securityContext, as Kubernetes' page "Configure a Security Context for a Pod or Container" has it."""

from __future__ import annotations

import os

import pytest

from tests.e2e import tools
from tests.e2e.harness import Namespace, OrdinaryCluster, eventually, http

PODS = """
apiVersion: v1
kind: Pod
metadata: {name: demo}
spec:
  securityContext: {runAsUser: 1000, runAsGroup: 3000, fsGroup: 2000, supplementalGroups: [4000]}
  terminationGracePeriodSeconds: 1
  volumes: [{name: vol, emptyDir: {}}]
  containers:
  - name: demo
    image: busybox
    command: [sh, -c, "echo started > /dev/stdout; sleep 1h"]
    volumeMounts: [{name: vol, mountPath: /data/demo}]
    securityContext: {allowPrivilegeEscalation: false}
---
apiVersion: v1
kind: Pod
metadata: {name: root}
spec:
  securityContext: {runAsNonRoot: true}
  containers: [{name: web, image: nginx}]
---
apiVersion: v1
kind: Pod
metadata: {name: restricted}
spec:
  securityContext: {runAsNonRoot: true, runAsUser: 101, seccompProfile: {type: RuntimeDefault}}
  terminationGracePeriodSeconds: 1
  containers:
  - name: web
    image: nginx
    ports: [{containerPort: 80}]
    readinessProbe: {exec: {command: [sh, -c, "test $(id -u) = 101"]}, periodSeconds: 1}
    securityContext:
      allowPrivilegeEscalation: false
      readOnlyRootFilesystem: true
      capabilities: {drop: [ALL]}
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="an ordinary user has no other users and groups")
def test_as_on_kubernetes_page(namespace: Namespace) -> None:
    tools.kubectl_at_least(31)
    namespace.apply(PODS)
    namespace.kubectl("wait", "--for=condition=Ready", "pod/demo", "pod/restricted", "--timeout=60s")

    def inside(pod: str, script: str) -> list[str]:
        return namespace.kubectl("exec", pod, "--", "sh", "-c", script).out.splitlines()

    assert inside("demo", "id -u; id -g; id -G | tr ' ' '\\n' | sort") == [
        *("1000", "3000"),
        *("2000", "3000", "4000"),
    ]
    script = "echo hello > /data/demo/file; stat -c '%u %g' /data/demo/file; ps -o uid= -p 1"
    assert [line.strip() for line in inside("demo", script)] == ["1000 2000", "1000"]
    assert namespace.kubectl("logs", "demo").out == "started\n"
    assert inside("demo", "grep -h NoNewPrivs /proc/1/status /proc/self/status") == ["NoNewPrivs:\t1"] * 2

    status, body = http(f"http://{namespace.json('pod', 'restricted')['status']['podIP']}")[:2]
    assert (status, "Welcome to nginx!" in str(body)) == (200, True)
    assert "Read-only file system" in inside("restricted", "touch /etc/x /tmp/x 2>&1 || true")[0]
    assert inside("restricted", "grep CapBnd /proc/self/status") == ["CapBnd:\t0000000000000000"]

    eventually(lambda: "CreateContainerConfigError" in namespace.kubectl("get", "pod", "root").out)
    why = 'Error: container has runAsNonRoot and image will run as root (pod: "root_'
    eventually(lambda: why in namespace.kubectl("describe", "pod", "root").out)
    assert "SecurityContextNotApplied" not in namespace.kubectl("get", "events").out


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become an ordinary user")
def test_as_an_ordinary_user(ordinary: OrdinaryCluster) -> None:
    """There is one user and one group; any that a container asks for, and no further groups."""
    ordinary.up("--nodes", "1")
    ordinary.kubectl("apply", "-f", "-", stdin=PODS)
    ordinary.kubectl("wait", "--for=condition=Ready", "pod/demo", "pod/restricted", "--timeout=60s")
    script = "id -u; id -g; echo hello > /data/demo/file; stat -c '%u %g' /data/demo/file"
    found = ordinary.kubectl("exec", "demo", "--", "sh", "-c", script).out.splitlines()
    assert found == ["1000", "3000", "1000 3000"]
    address = ordinary.json("pod", "restricted")["status"]["podIP"]
    page = ordinary.podyard("shell", "-c", f"curl -s -m 5 http://{address}").out
    assert "Welcome to nginx!" in page
    script = "touch /etc/x /tmp/x 2>&1; grep CapEff /proc/self/status"
    refused = ordinary.kubectl("exec", "restricted", "--", "sh", "-c", script).out.splitlines()
    assert [line.rpartition(": ")[2] for line in refused[:2]] == ["Read-only file system"] * 2
    assert refused[2] == "CapEff:\t0000000000000000"
    why = "supplementalGroups, fsGroup (containers have one group in a user namespace)"
    eventually(lambda: why in ordinary.kubectl("describe", "pod", "demo").out)
    eventually(lambda: "CreateContainerConfigError" in ordinary.kubectl("get", "pod", "root").out)
