"""What `kubectl get -w` does when its watch ends, against a server that ends it.

The stock kubectl 1.33 does the same, said to the same server.
"""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from podyard.kubectl.main import main

PODS = {
    "kind": "APIResourceList",
    "groupVersion": "v1",
    "resources": [
        {
            "name": "pods",
            "singularName": "pod",
            "kind": "Pod",
            "namespaced": True,
            "verbs": ["get", "list", "watch"],
        }
    ],
}
TABLE = {
    "kind": "Table",
    "apiVersion": "meta.k8s.io/v1",
    "metadata": {"resourceVersion": "7"},
    "columnDefinitions": [{"name": "Name", "type": "string", "format": "name"}],
    "rows": [{"cells": ["one"], "object": {"metadata": {"name": "one"}}}],
}
EXPIRED = {"kind": "Status", "status": "Failure", "message": "too old", "reason": "Expired", "code": 410}


class _Server(http.server.ThreadingHTTPServer):
    """Answers a watch with `events` and then a whole answer, or one cut short (`broken`)."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.events: list[dict[str, Any]] = []
        self.broken = False
        self.watches = 0


class _Handler(http.server.BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if "watch=true" in self.path:
            self._watch()
            return
        answers: dict[str, Any] = {
            "/api": {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": {"kind": "APIGroupList", "groups": []},
            "/api/v1": PODS,
        }
        body = json.dumps(answers.get(self.path.partition("?")[0], TABLE)).encode()
        self._head("Content-Length", str(len(body)))
        self.wfile.write(body)

    def _watch(self) -> None:
        self.server.watches += 1
        body = b"".join(json.dumps(event).encode() + b"\n" for event in self.server.events)
        self._head("Content-Length", str(len(body) + self.server.broken))
        self.wfile.write(body)
        self.close_connection = True

    def _head(self, name: str, value: str) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header(name, value)
        self.end_headers()

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[_Server]:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with _Server() as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def _watch(server: _Server, *words: str) -> int:
    return main(["-s", f"http://127.0.0.1:{server.server_port}", "get", "pods", "-w", *words])


@pytest.mark.parametrize("broken", [False, True])
def test_a_watch_that_ends(server: _Server, capsys: pytest.CaptureFixture[str], broken: bool) -> None:
    server.broken = broken
    server.events = [{"type": "ADDED", "object": {**TABLE, "rows": [{"cells": ["two"]}]}}]
    assert _watch(server) == 0
    assert capsys.readouterr() == ("NAME\none\ntwo\n", "")
    assert server.watches == 1


def test_a_watch_that_the_server_ends_with_an_error(
    server: _Server, capsys: pytest.CaptureFixture[str]
) -> None:
    server.events = [{"type": "ERROR", "object": EXPIRED}]
    assert _watch(server) == 0
    shown = capsys.readouterr()
    lines = [line.split() for line in shown.out.splitlines()]
    assert lines == [["NAME"], ["one"], ["STATUS", "REASON", "MESSAGE"], ["Failure", "Expired", "too", "old"]]
    assert shown.err == ""
    assert _watch(server, "--output-watch-events", "-o", "json", "--watch-only") == 0
    assert json.loads(capsys.readouterr().out) == {"type": "ERROR", "object": EXPIRED}
