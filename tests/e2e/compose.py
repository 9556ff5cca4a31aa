"""The cluster of docker-compose.yml, by the image that this host can build."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.e2e import tools
from tests.e2e.harness import Done, eventually, run

PROJECT = "podyard-test"
BASE = "podyard-base"
"""Made by `make image-base`, since a test asks no registry for images."""

API_PORT = "16443"  # 6443 may be that of a cluster of this host


class Compose:
    """Calls docker compose, be it the plugin or Debian's docker-compose."""

    def __init__(self) -> None:
        tools.need("docker", "docker.io")
        if subprocess.run(["docker", "info"], capture_output=True, check=False).returncode:
            tools.missing("no docker daemon answers (start dockerd)")
        plugin = subprocess.run(["docker", "compose", "version"], capture_output=True, check=False)
        self._words = ["docker", "compose"]
        if plugin.returncode:
            self._words = [tools.need("docker-compose", "docker-compose")]
        self.env = {**os.environ, "PODYARD_BASE": BASE, "PODYARD_API_PORT": API_PORT}

    def __call__(self, *words: str, timeout: float = 60, ok: bool = True) -> Done:
        """`docker compose WORDS`."""
        return run([*self._words, "-p", PROJECT, *words], env=self.env, timeout=timeout, ok=ok)

    def client(self, *command: str, ok: bool = True) -> Done:
        """Run a command in the client's container."""
        return self("exec", "-T", "client", *command, ok=ok)

    def container(self, service: str) -> str:
        """The id of a service's container."""
        return self("ps", "-q", service).out.strip()

    def ready_nodes(self) -> list[str]:
        """The names of the nodes that are Ready."""
        path = (
            "jsonpath={range .items[*]}{.metadata.name}={.status.conditions[?(@.type=='Ready')].status} {end}"
        )
        out = self.client("kubectl", "get", "nodes", "-o", path, ok=False).out
        return [name for name, _, ready in (word.partition("=") for word in out.split()) if ready == "True"]

    def pods(self, selector: str) -> list[Any]:
        """Pods as the client's kubectl sees them."""
        out = self.client("kubectl", "get", "pods", "-l", selector, "-o", "json").out
        return list(json.loads(out)["items"])


@contextmanager
def running() -> Iterator[Compose]:
    """Build, bring up, and take away with everything that belongs to it."""
    compose = Compose()
    images = run(["docker", "image", "ls", "-q", BASE], env=compose.env).out
    if not images.strip():
        tools.need("mmdebstrap", "mmdebstrap")
        run(["make", "image-base"], env=compose.env, timeout=300)
    compose("build", timeout=600)
    try:
        compose("up", "-d", timeout=120)
        try:
            eventually(lambda: compose.ready_nodes() == ["node1", "node2", "node3"], timeout=120)
        except AssertionError as error:
            raise AssertionError(compose("logs").out) from error
        yield compose
    finally:
        compose("down", "-v", "-t", "5", timeout=120)


def kubeconfig(compose: Compose, home: Path) -> None:
    """Make the cluster that of a home directory on this host."""
    folder = home / ".kube"
    folder.mkdir()
    text = compose("exec", "-T", "server", "podyard", "kubeconfig").out
    (folder / "config").write_text(text.replace("172.30.0.2:6443", f"127.0.0.1:{API_PORT}"))
