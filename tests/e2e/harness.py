"""A real cluster to test: started by the `podyard` command, spoken to with kubectl."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from podyard.cli.cluster import config
from tests.support import ordinary_user

PODYARD = [sys.executable, "-m", "podyard.cli"]


@dataclasses.dataclass(frozen=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str


def run(
    command: list[str], *, env: dict[str, str], stdin: str = "", timeout: float = 60, ok: bool = True
) -> Done:
    """Run a command to its end; unless `ok` is false, it must succeed."""
    done = subprocess.run(
        command, env=env, input=stdin, capture_output=True, text=True, timeout=timeout, check=False
    )
    assert not ok or done.returncode == 0, f"{command} → {done.returncode}\n{done.stdout}\n{done.stderr}"
    return Done(done.returncode, done.stdout, done.stderr)


def eventually(what: Callable[[], Any], timeout: float = 20) -> Any:
    """Call `what` until it gives something true; for conditions that nothing announces.

    That it lacks what it looks for (LookupError) is no different.
    """
    end = time.monotonic() + timeout
    while True:
        try:
            result, problem = what(), None
        except (AssertionError, LookupError, OSError) as error:
            result, problem = None, error
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"not so within {timeout:g} s (last: {result!r})") from problem
        time.sleep(0.05)


class Cluster:
    """One cluster with a home directory, and so a kubeconfig, of its own."""

    def __init__(self, home: Path, name: str, kubectl: str) -> None:
        self.home = home
        self.name = name
        self.kubectl_path = kubectl
        self.env = {**os.environ, "HOME": str(home)}
        self.env.pop("KUBECONFIG", None)

    def podyard(self, *words: str, ok: bool = True, timeout: float = 90) -> Done:
        """Run `podyard WORDS --name NAME`."""
        return run([*PODYARD, *words, "--name", self.name], env=self.env, ok=ok, timeout=timeout)

    def up(self, *words: str) -> Done:
        """Start it in the background and wait until it serves."""
        return self.podyard("up", "-d", *words)

    def down(self, *words: str) -> Done:
        """Stop it."""
        return self.podyard("down", *words)

    @property
    def config(self) -> config.ClusterConfig:
        """Its addresses."""
        found = config.load(self.home / ".podyard" / self.name)
        assert found is not None
        return found

    def status(self) -> list[dict[str, Any]]:
        """The processes as `podyard status` has them."""
        done = self.podyard("status", "-o", "json", ok=False)
        return list(json.loads(done.out)["processes"])

    def pid(self, process: str) -> int:
        """The pid of one of its processes."""
        return next(int(p["pid"]) for p in self.status() if p["name"] == process)

    def kubectl(
        self, *words: str, stdin: str = "", ok: bool = True, timeout: float = 60, namespace: str = ""
    ) -> Done:
        """Run the newest kubectl against it."""
        where = ["--namespace", namespace] if namespace else []
        command = [self.kubectl_path, *where, *words]
        return run(command, env=self.env, stdin=stdin, ok=ok, timeout=timeout)

    @contextlib.contextmanager
    def namespace(self, name: str) -> Iterator[Namespace]:
        """A namespace with its service account; deleted afterwards, without waiting for its end."""
        self.kubectl("create", "namespace", name)
        self.kubectl("wait", "--for=create", "serviceaccount/default", "--timeout=20s", namespace=name)
        yield Namespace(self, name)
        self.kubectl("delete", "namespace", name, "--wait=false")

    def json(self, *words: str, namespace: str = "") -> Any:
        """What `kubectl get WORDS -o json` gives."""
        return json.loads(self.kubectl("get", *words, "-o", "json", namespace=namespace).out)


class OrdinaryCluster(Cluster):
    """One whose `podyard` is run by a user who is not root."""

    def podyard(self, *words: str, ok: bool = True, timeout: float = 90) -> Done:
        command = ordinary_user.command([*PODYARD, *words, "--name", self.name])
        return run(command, env={**self.env, "TMPDIR": str(self.home)}, ok=ok, timeout=timeout)


class Namespace:
    """A namespace of a cluster: where one test works without meeting another."""

    def __init__(self, cluster: Cluster, name: str) -> None:
        self.cluster = cluster
        self.name = name

    def kubectl(self, *words: str, stdin: str = "", ok: bool = True, timeout: float = 60) -> Done:
        """Run kubectl in this namespace."""
        return self.cluster.kubectl(*words, stdin=stdin, ok=ok, timeout=timeout, namespace=self.name)

    def apply(self, manifest: str, *, ok: bool = True) -> Done:
        """`kubectl apply` of YAML text."""
        return self.kubectl("apply", "-f", "-", stdin=manifest, ok=ok)

    def json(self, *words: str) -> Any:
        """What `kubectl get WORDS -o json` gives."""
        return self.cluster.json(*words, namespace=self.name)

    def rolled_out(self, deployment: str) -> None:
        """Wait until a Deployment is rolled out."""
        self.kubectl("rollout", "status", f"deployment/{deployment}", "--timeout=50s")

    def pods(self, selector: str) -> list[dict[str, Any]]:
        """The pods that match and are not being deleted."""
        items = self.json("pods", "-l", selector)["items"]
        return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]

    def addresses(self, service: str) -> list[str]:
        """The ready addresses that the Endpoints of a Service list."""
        subsets = self.json("endpoints", service).get("subsets") or []
        return sorted(a["ip"] for subset in subsets for a in subset.get("addresses") or [])


def processes_of(cluster: Cluster) -> list[str]:
    """The command lines of everything that still runs for a cluster, its pods included."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            command = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            environment = Path(f"/proc/{pid}/environ").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if int(pid) != os.getpid() and str(cluster.home) in command + environment:
            found.append(f"{pid} {command}")
    return found


def kill(pid: int) -> None:
    """kill -9; returns when the process has ended, which on a busy machine is later than the signal."""
    descriptor = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(descriptor, signal.SIGKILL)
        assert select.select([descriptor], [], [], 20)[0]
    finally:
        os.close(descriptor)


def supervisor_pid(cluster: Cluster) -> int:
    """The pid of `podyard up`."""
    return int(json.loads(cluster.podyard("status", "-o", "json").out)["pid"])


def connects(address: str, port: int) -> bool:
    """Whether something accepts TCP connections there."""
    with socket.socket() as sock:
        sock.settimeout(2)
        return sock.connect_ex((address, port)) == 0


def http(url: str, *, timeout: float = 5) -> tuple[int, str]:
    """Status and body of a GET on a new connection; (0, reason) when there is no answer."""
    import http.client
    import urllib.error
    import urllib.request

    try:
        with urllib.request.urlopen(url, timeout=timeout) as reply:
            return reply.status, reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except (OSError, http.client.HTTPException) as error:
        return 0, str(error)
