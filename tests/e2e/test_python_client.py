"""kubernetes' own Python client, as programs and tests of its users use it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest
from kubernetes import client, config, watch
from kubernetes.stream import portforward, stream

from tests.e2e.harness import Cluster

NAMESPACE = "python-client"


@pytest.fixture(scope="module")
def api(cluster: Cluster) -> Iterator[client.ApiClient]:
    with (
        cluster.namespace(NAMESPACE),
        config.new_client_from_config(str(cluster.home / ".kube" / "config")) as api,
    ):
        yield api


@pytest.fixture(scope="module")
def core(api: client.ApiClient) -> client.CoreV1Api:
    """The core API, and a pod that runs."""
    core = client.CoreV1Api(api)
    pod = {"metadata": {"name": "web"}, "spec": {"containers": [{"name": "web", "image": "nginx"}]}}
    core.create_namespaced_pod(NAMESPACE, pod)
    events = watch.Watch()
    for event in events.stream(core.list_namespaced_pod, NAMESPACE, timeout_seconds=60):
        statuses = event["object"].status.container_statuses or []
        if any(status.ready for status in statuses):
            events.stop()
    return core


def run(core: client.CoreV1Api, script: str, **streams: bool) -> Any:
    """A shell that can be written to."""
    command = ["sh", "-c", script]
    chosen = {"stdin": True, "stdout": True, "stderr": True, "tty": False, **streams}
    return stream(
        core.connect_get_namespaced_pod_exec,
        "web",
        NAMESPACE,
        command=command,
        _preload_content=False,
        **chosen,
    )


@pytest.mark.parametrize("given", ["abc\n", b"abc\n"])
def test_exec(core: client.CoreV1Api, given: str | bytes) -> None:
    shell = run(core, "read x; echo got $x; echo oops >&2; exit 7")
    shell.write_stdin(given)
    shell.run_forever(timeout=20)
    assert (shell.read_stdout(), shell.read_stderr(), shell.returncode) == ("got abc\n", "oops\n", 7)


def test_exec_with_a_terminal(core: client.CoreV1Api) -> None:
    shell = run(core, "read x; stty size", tty=True)
    shell.write_channel(4, '{"Width":99,"Height":33}')
    shell.write_stdin("\n")
    shell.run_forever(timeout=20)
    assert (shell.read_stdout().splitlines()[-1], shell.returncode) == ("33 99", 0)


def read_all(sock: Any) -> bytes:
    """What comes until the end."""
    sock.settimeout(20)
    parts = []
    while part := sock.recv(65536):
        parts.append(part)
    return b"".join(parts)


def test_port_forward_and_log(core: client.CoreV1Api) -> None:
    forward = portforward(core.connect_get_namespaced_pod_portforward, "web", NAMESPACE, ports="80,81")
    with closing(forward.socket(80)) as web, closing(forward.socket(81)) as nothing:
        web.sendall(b"GET /here HTTP/1.0\r\n\r\n")
        assert b" 404 Not Found\r\n" in read_all(web)
        assert read_all(nothing) == b""
    assert "connection refused" in forward.error(81)
    log = watch.Watch()
    for line in log.stream(core.read_namespaced_pod_log, "web", NAMESPACE, follow=True):
        if "/here" in line:
            log.stop()
