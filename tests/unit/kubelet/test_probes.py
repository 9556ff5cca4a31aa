"""Probes: counting, handlers against real servers, timing with a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from podyard.kubelet.probes import ProbeKind, ProbeResult
from podyard.kubelet.probes.decision import ProbeState, initial_state, next_state
from podyard.kubelet.probes.grpc_health import decode_status, encode_request, probe_grpc
from podyard.kubelet.probes.handlers import PortNotFound, http_url, resolve_port
from podyard.kubelet.probes.http import probe_http
from podyard.kubelet.probes.tcp import probe_tcp
from podyard.kubelet.probes.worker import PodProbes
from podyard.process.clock import FakeClock
from tests.unit.kubelet.pods import container

Object = dict[str, Any]

HOST = "127.203.0.1"
THRESHOLDS = {"successThreshold": 2, "failureThreshold": 3}


@pytest.mark.parametrize(
    ("kind", "outcomes", "good"),
    [
        ("Liveness", "", True),
        ("Readiness", "", False),
        ("Startup", "", None),
        ("Liveness", "ff", True),
        ("Liveness", "fff", False),
        ("Liveness", "ffsfff", False),
        ("Liveness", "ffsff", True),
        ("Liveness", "ff?f", False),
        ("Readiness", "s", False),
        ("Readiness", "ss", True),
        ("Readiness", "ssff", True),
        ("Readiness", "ssfff", False),
        ("Readiness", "ww", True),
        ("Startup", "ff", None),
        ("Startup", "fff", False),
        ("Startup", "ss", True),
    ],
)
def test_thresholds(kind: ProbeKind, outcomes: str, good: bool | None) -> None:
    words: dict[str, Any] = {"s": "success", "f": "failure", "w": "warning", "?": "unknown"}
    state: ProbeState = initial_state(kind)
    for letter in outcomes:
        state = next_state(state, words[letter], THRESHOLDS)
    assert state.good is good


def test_thresholds_have_kubernetes_defaults() -> None:
    state = next_state(initial_state("Readiness"), "success", {})
    assert state.good is True
    for expected in (True, True, False):
        state = next_state(state, "failure", {})
        assert state.good is expected


def test_ports_may_be_named() -> None:
    web = container("web", ports=[{"name": "http", "containerPort": 8080}])
    assert [resolve_port(web, port) for port in (80, "81", "http")] == [80, 81, 8080]
    with pytest.raises(PortNotFound, match="couldn't find port: https"):
        resolve_port(web, "https")


@pytest.mark.parametrize(
    ("action", "url"),
    [
        ({"port": 80}, "http://1.2.3.4:80/"),
        ({"port": 80, "path": "ok?x=1"}, "http://1.2.3.4:80/ok?x=1"),
        ({"port": 443, "scheme": "HTTPS", "host": "h", "path": "/a"}, "https://h:443/a"),
        ({"port": 80, "host": "::1"}, "http://[::1]:80/"),
    ],
)
def test_where_a_probe_goes(action: Object, url: str) -> None:
    assert http_url(container("web"), action, "1.2.3.4") == url


Reply = Callable[[str], str]


async def serve(reply: Reply) -> tuple[asyncio.Server, int]:
    """An HTTP server that answers `reply(head of the request)`."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        if text := reply(head):
            writer.write(text.encode())
            await writer.drain()
            writer.close()
        else:
            await reader.read()

    server = await asyncio.start_server(answer, HOST, 0)
    return server, server.sockets[0].getsockname()[1]


def redirect(location: str) -> str:
    return f"HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n"


@pytest.mark.parametrize(
    ("reply", "outcome", "output"),
    [
        ("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", "success", "ok"),
        ("HTTP/1.0 399 Odd\r\n\r\nall of it", "success", "all of it"),
        ("HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", "failure", "HTTP probe failed with statuscode: 503"),
        ("HTTP/1.1 404 No\r\n\r\n", "failure", "HTTP probe failed with statuscode: 404"),
        (
            redirect("http://elsewhere.example/"),
            "warning",
            "Probe terminated redirects, Response body: ",
        ),
        ("SSH-2.0\r\n\r\n", "failure", "malformed HTTP response"),
        ("HTTP", "failure", "EOF"),
    ],
)
async def test_http_answers(reply: str, outcome: str, output: str) -> None:
    server, port = await serve(lambda _: reply)
    async with server:
        result = await probe_http(f"http://{HOST}:{port}/", [], 5.0)
    assert result.outcome == outcome
    assert output in result.output


async def test_http_follows_redirects_on_the_same_host() -> None:
    def reply(head: str) -> str:
        return redirect("/there") if head.startswith("GET / ") else "HTTP/1.1 200 OK\r\n\r\nthere"

    server, port = await serve(reply)
    async with server:
        assert await probe_http(f"http://{HOST}:{port}/", [], 5.0) == ProbeResult("success", "there")


@pytest.mark.parametrize("url", ["http://a..b:80/", "http://[::1:80/", "http://h:99999/"])
async def test_an_address_that_is_none(url: str) -> None:
    server, port = await serve(lambda head: redirect(url))
    assert (await probe_http(url, [], 5)).outcome == "failure"
    assert (await probe_http(f"http://{HOST}:{port}/", [], 5)).outcome in ("failure", "warning")
    assert (await probe_tcp("a..b", 80, 5)).outcome == "failure"
    server.close()


async def test_http_gives_up_on_endless_redirects() -> None:
    server, port = await serve(lambda _: redirect("/"))
    async with server:
        result = await probe_http(f"http://{HOST}:{port}/", [], 5.0)
    assert result.output.endswith("stopped after 10 redirects")


async def test_http_headers() -> None:
    seen: list[str] = []

    def reply(head: str) -> str:
        seen.extend(head.splitlines())
        return "HTTP/1.1 200 OK\r\n\r\n"

    server, port = await serve(reply)
    async with server:
        await probe_http(f"http://{HOST}:{port}/", [("Host", "example"), ("X-A", "b"), ("Accept", "")], 5.0)
    assert "Host: example" in seen
    assert "X-A: b" in seen
    assert "User-Agent: kube-probe/1.37" in seen
    assert not any(line.startswith("Accept") for line in seen)


async def test_http_times_out() -> None:
    server, port = await serve(lambda _: "")
    url = f"http://{HOST}:{port}/"
    async with server:
        result = await probe_http(url, [], 0.05)
    why = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    assert result == ProbeResult("failure", f'Get "{url}": {why}')


async def unused_port() -> int:
    server, port = await serve(lambda _: "")
    server.close()
    await server.wait_closed()
    return port


async def test_a_refused_connection_reads_as_in_kubernetes() -> None:
    port = await unused_port()
    refused = f"dial tcp {HOST}:{port}: connect: connection refused"
    assert await probe_tcp(HOST, port, 1.0) == ProbeResult("failure", refused)
    assert await probe_http(f"http://{HOST}:{port}/x", [], 1.0) == ProbeResult(
        "failure", f'Get "http://{HOST}:{port}/x": {refused}'
    )
    assert (await probe_grpc(HOST, port, "", 1.0)).outcome == "failure"


async def test_tcp_is_content_with_a_connection() -> None:
    server, port = await serve(lambda _: "")
    async with server:
        assert await probe_tcp(HOST, port, 1.0) == ProbeResult("success")


@pytest.mark.parametrize(
    ("answer", "outcome", "output"),
    [
        (b"\x08\x01", "success", ""),
        (b"\x08\x02", "failure", 'service unhealthy (responded with "NOT_SERVING")'),
        (b"", "failure", 'service unhealthy (responded with "UNKNOWN")'),
        (None, "failure", "error: this server does not implement the grpc health protocol"),
    ],
)
async def test_grpc(answer: bytes | None, outcome: str, output: str) -> None:
    import grpc
    import grpc.aio

    asked: list[bytes] = []

    async def check(request: bytes, _: Any) -> bytes:
        asked.append(request)
        return answer or b""

    server = grpc.aio.server()
    if answer is not None:
        method: Any = grpc.unary_unary_rpc_method_handler(check)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("grpc.health.v1.Health", {"Check": method}),)
        )
    port = server.add_insecure_port(f"{HOST}:0")
    await server.start()
    try:
        result = await probe_grpc(HOST, port, "svc", 5.0)
    finally:
        await server.stop(None)
    assert result.outcome == outcome
    assert result.output.startswith(output)
    assert asked in ([b"\x0a\x03svc"], [])


def test_grpc_messages() -> None:
    assert encode_request("") == b""
    assert encode_request("a" * 300) == b"\x0a\xac\x02" + b"a" * 300
    assert decode_status(b"\x08\x03") == 3


class Patient:
    """A pod's probes over scripted answers and a clock that the test moves."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.answers: dict[str, list[str]] = {}
        self.asked: list[str] = []
        self.events: list[str] = []
        self.changes = 0
        self.probes = PodProbes(self._ask, self._report, self._change, self.clock)

    async def _ask(self, subject: Object, container_id: str, probe: Object) -> ProbeResult:
        which = probe["exec"]["command"][0] if "exec" in probe else "net"
        self.asked.append(which)
        script = self.answers[which]
        letter = script.pop(0) if len(script) > 1 else script[0]
        outcome: Any = {"s": "success", "f": "failure", "?": "unknown"}[letter]
        return ProbeResult(outcome, "no")

    def _report(self, name: str, kind: ProbeKind, result: ProbeResult) -> None:
        self.events.append(f"{name} {kind} {result.outcome}")

    def _change(self) -> None:
        self.changes += 1

    async def settle(self) -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def advance(self, seconds: float) -> None:
        await self.settle()
        self.clock.advance(seconds)
        await self.settle()


def probe(name: str, **fields: Any) -> Object:
    return {"exec": {"command": [name]}, "periodSeconds": 10, **fields}


@pytest.fixture
async def patient() -> Any:
    subject = Patient()
    yield subject
    subject.probes.close()


async def test_without_probes_a_running_container_is_ready(patient: Patient) -> None:
    patient.probes.watch({"web-0": container("web")})
    assert patient.probes.started() == {"web-0": True}
    assert patient.probes.ready() == {"web-0": True}
    patient.probes.watch({})
    assert patient.probes.ready() == {}


async def test_readiness_follows_its_probe(patient: Patient) -> None:
    patient.answers["r"] = ["f", "s", "f"]
    ready = probe("r", initialDelaySeconds=5, failureThreshold=1)
    patient.probes.watch({"web-0": container("web", readinessProbe=ready)})
    await patient.advance(4.9)
    assert patient.asked == []
    seen = []
    for wait in (0.1, 10, 10):
        await patient.advance(wait)
        seen.append(patient.probes.ready()["web-0"])
    assert seen == [False, True, False]
    assert patient.events == ["web Readiness failure", "web Readiness failure"]
    assert patient.changes == 2


async def test_liveness_demands_the_end_after_the_threshold(patient: Patient) -> None:
    patient.answers["l"] = ["f"]
    patient.probes.watch({"web-0": container("web", livenessProbe=probe("l", failureThreshold=2))})
    await patient.settle()
    assert patient.probes.failed() == {}
    await patient.advance(10)
    assert patient.probes.failed() == {"web-0": "Liveness"}
    await patient.advance(100)
    assert patient.asked == ["l", "l"], "a container that is to end is left in peace"
    patient.probes.watch({"web-1": container("web", livenessProbe=probe("l", failureThreshold=2))})
    assert patient.probes.failed() == {}


async def test_what_cannot_be_tried_is_tried_again_and_changes_nothing(patient: Patient) -> None:
    patient.answers["r"] = ["s", "?", "?", "f", "?", "?", "?", "s"]
    ready = probe("r", failureThreshold=2)
    patient.probes.watch({"web-0": container("web", readinessProbe=ready)})
    seen = []
    for _ in range(4):
        await patient.settle()
        seen.append((len(patient.asked), patient.probes.ready()["web-0"]))
        await patient.advance(10)
    assert seen == [(1, True), (4, True), (7, True), (8, True)]
    assert patient.events == ["web Readiness failure", "web Readiness unknown"]


async def test_other_probes_wait_for_the_startup_probe(patient: Patient) -> None:
    patient.answers |= {"s": ["f", "s"], "r": ["s"], "l": ["s"]}
    web = container("web", startupProbe=probe("s"), readinessProbe=probe("r"), livenessProbe=probe("l"))
    patient.probes.watch({"web-0": web})
    await patient.settle()
    assert patient.asked == ["s"]
    assert patient.probes.started() == {"web-0": False}
    await patient.advance(10)
    assert patient.probes.started() == {"web-0": True}
    assert sorted(patient.asked[2:]) == ["l", "r"]
    assert patient.probes.ready() == {"web-0": True}


async def test_a_new_container_is_asked_often_until_it_listens(patient: Patient) -> None:
    patient.answers["net"] = ["f", "f", "s"]
    patient.probes.watch({"web-0": container("web", readinessProbe={"tcpSocket": {"port": 80}})})
    await patient.advance(0.1)
    await patient.advance(0.2)
    assert patient.probes.ready() == {"web-0": True}
    assert patient.events == [], "what fails while a program starts is nobody's concern"


async def test_after_the_first_period_failures_count(patient: Patient) -> None:
    patient.answers["net"] = ["f"]
    patient.probes.watch({"web-0": container("web", readinessProbe={"tcpSocket": {"port": 80}})})
    for _ in range(120):
        await patient.advance(0.1)
    assert patient.events == ["web Readiness failure"]


async def test_what_an_earlier_kubelet_found_stands(patient: Patient) -> None:
    patient.answers |= {"r": ["f"], "s": ["f"]}
    web = container("web", readinessProbe=probe("r", failureThreshold=1), startupProbe=probe("s"))
    patient.probes.watch({"web-0": web}, {"web-0": (True, True)})
    assert patient.probes.ready() == {"web-0": True}
    await patient.settle()
    assert patient.asked == ["r"]
    assert patient.probes.ready() == {"web-0": False}


async def test_a_pod_that_ends_is_not_asked_whether_it_lives(patient: Patient) -> None:
    patient.answers |= {"l": ["f"], "r": ["s"]}
    web = container("web", livenessProbe=probe("l", initialDelaySeconds=1), readinessProbe=probe("r"))
    patient.probes.watch({"web-0": web})
    patient.probes.end_liveness()
    await patient.advance(30)
    assert set(patient.asked) == {"r"}
