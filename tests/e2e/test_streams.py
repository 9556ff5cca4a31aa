"""exec, attach, run, logs, cp, port-forward and proxy with every kubectl there is, and with our own.

kubectl up to 1.29 streams by SPDY/3.1, port-forward up to 1.30; later ones by WebSocket.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
import re
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.e2e import tools
from tests.e2e.harness import PODYARD, Cluster, Done, eventually, http, run
from tests.support.terminal import Terminal

PODS = Path(__file__).with_name("streams.yaml")

SIZES = "sh -c 'while :; do stty size; sleep 0.1; done'"
"""Shows the size of the terminal again and again, until Ctrl-C."""


@dataclasses.dataclass(frozen=True)
class Client:
    """One kubectl in the namespace of these tests."""

    name: str
    command: list[str]
    cluster: Cluster
    namespace: str

    def __call__(self, *words: str, stdin: str = "", ok: bool = True, timeout: float = 60) -> Done:
        return run(self.line(*words), env=self.cluster.env, stdin=stdin, ok=ok, timeout=timeout)

    def line(self, *words: str) -> list[str]:
        """The command line of `kubectl WORDS`."""
        return [*self.command, "--namespace", self.namespace, *words]

    def terminal(self, *words: str) -> Terminal:
        """`kubectl WORDS` in a terminal."""
        return Terminal(self.line(*words), self.cluster.env)


@pytest.fixture(scope="module")
def prepared(cluster: Cluster) -> Iterator[str]:
    """A namespace in which PODS run."""
    with cluster.namespace("streams") as namespace:
        namespace.kubectl("apply", "-f", str(PODS))
        pods = ("shell", "talker", "two", "again", "web")
        namespace.kubectl("wait", "--for=condition=Ready", "pod", *pods, "--timeout=60s")
        namespace.rolled_out("echo")
        for words, last in (
            (("two", "-c", "one"), "one 5\n"),
            (("two", "-c", "other"), "other\n"),
            (("again",), "run 2\n"),
        ):
            logs = partial(namespace.kubectl, "logs", *words)
            eventually(lambda logs=logs, last=last: logs().out.endswith(last))  # type: ignore[misc]
        yield namespace.name


@pytest.fixture(params=[*(f"1.{minor}" for _, minor in tools.kubectls()), "podyard"])
def kubectl(request: pytest.FixtureRequest, cluster: Cluster, prepared: str) -> Client:
    """Each kubectl in turn."""
    if request.param == "podyard":
        return Client("podyard", [*PODYARD, "kubectl"], cluster, prepared)
    minor = int(request.param.removeprefix("1."))
    return Client(request.param, [tools.kubectls()[(1, minor)]], cluster, prepared)


def test_exec(kubectl: Client) -> None:
    failed = kubectl("exec", "shell", "--", "sh", "-c", "echo out; echo err >&2; exit 7", ok=False)
    assert (failed.code, failed.out) == (7, "out\n")
    assert failed.err == "err\ncommand terminated with exit code 7\n"
    assert kubectl("exec", "shell", "--", "cat", stdin="not for it").out == ""
    sent = "one\ntwo\n" * 200_000
    assert kubectl("exec", "-i", "shell", "--", "cat", stdin=sent).out == sent
    assert kubectl("exec", "-i", "shell", "--", "head", "-c4", stdin=sent).out == "one\n"
    colours = kubectl("exec", "shell", "--", "printf", r"\033[31mred\033[0m").out
    assert colours == "\x1b[31mred\x1b[0m"
    missing = kubectl("exec", "shell", "--", "no-such-command", ok=False)
    assert missing.code != 0
    assert 'exec: "no-such-command": executable file not found in $PATH' in missing.err


def test_exec_in_a_terminal(kubectl: Client) -> None:
    with kubectl.terminal("exec", "-it", "shell", "--", "sh") as terminal:
        # Before it is even connected, hence before it is raw.
        terminal.type("tty; printf '\\033[32m%s\\033[0m\\n' green\n")
        terminal.see("/dev/pts/")
        terminal.see("\x1b[32mgreen\x1b[0m")
        terminal.type(f"{SIZES}\r")
        terminal.see("\n33 101\n")
        terminal.resize(50, 60)
        terminal.see("\n50 60\n")
        terminal.type("\x03")
        terminal.see("^C")
        terminal.type("echo still $((40 + 2)); exit 5\r")
        terminal.see("still 42\n")
        assert terminal.exit_code() == 5
        assert terminal.screen.endswith("command terminated with exit code 5\n")


def test_a_terminal_without_input_and_input_without_a_terminal(kubectl: Client) -> None:
    with kubectl.terminal("exec", "-i", "shell", "--", "sh", "-c", "tty; cat; echo end") as terminal:
        terminal.see("not a tty\n")
        terminal.type("word\n")
        terminal.see("word\nword\n")  # the user's own terminal shows it first
        terminal.type("\x03")
        assert terminal.exit_code() != 0
        assert "end" not in terminal.screen
    shown = kubectl("exec", "-it", "shell", "--", "tty", ok=False)
    assert "Unable to use a TTY - input is not a terminal" in shown.err
    assert shown.out == "not a tty\n"


def test_attach(kubectl: Client) -> None:
    with kubectl.terminal("attach", "-i", "talker") as terminal:
        terminal.see("If you don't see a command prompt, try pressing enter.\n")
        terminal.type(f"from {kubectl.name}\n")
        terminal.see(f"got from {kubectl.name}\n")
        with kubectl.terminal("attach", "talker", "-c", "main") as watcher:
            eventually(lambda: _says(terminal, watcher))
        terminal.type("\x03")
        assert terminal.exit_code() != 0
    missing = kubectl("attach", "talker", "-c", "nope", ok=False)
    assert missing.code == 1
    assert "nope" in missing.err


def _says(terminal: Terminal, watcher: Terminal) -> bool:
    """Whether what goes in at one comes out at the other, who may not be connected yet."""
    terminal.type("more\n")
    terminal.see("got more\n")
    watcher.see("got more\n", seconds=0.5)
    return True


def test_run_with_a_terminal(kubectl: Client) -> None:
    name = f"curl-{kubectl.name.replace('.', '-')}"
    hint = (
        f"Session ended, resume using 'kubectl attach {name} -c {name} -i -t' command when the pod is running"
    )
    with kubectl.terminal("run", name, "--image=radial/busyboxplus:curl", "-i", "--tty") as terminal:
        terminal.see("If you don't see a command prompt, try pressing enter.\n")
        terminal.type("\r")
        terminal.see("$ ")
        terminal.type("echo $((40 + 2))\r")
        terminal.see("42\n")
        terminal.type(f"{SIZES}\r")
        terminal.see("\n33 101\n")
        terminal.resize(22, 88)
        terminal.see("\n22 88\n")
        terminal.type("\x03")
        terminal.see("$ ")
        terminal.type("exit\r")
        assert terminal.exit_code() == 0
        assert re.sub(r"kubectl\.1\.\d+", "kubectl", terminal.screen).endswith(f"{hint}\n")
    restarts = ("get", "pod", name, "-o", "jsonpath={.status.containerStatuses[0].restartCount}")
    eventually(lambda: kubectl(*restarts).out == "1")
    kubectl("wait", "--for=condition=Ready", "pod", name, "--timeout=30s")
    with kubectl.terminal("attach", name, "-c", name, "-i", "-t") as terminal:
        terminal.see("try pressing enter.\n")
        terminal.type("\recho again $((40 + 2))\r")
        terminal.see("again 42\n")
    kubectl("delete", "pod", name, "--now", "--wait=false")


def test_run_with_piped_input(kubectl: Client) -> None:
    words = ("-i", "--rm", "--restart=Never", "--image=busybox", "--")
    name = f"once-{kubectl.name.replace('.', '-')}"
    done = kubectl("run", name, *words, "sh", "-c", "cat; exit 3", stdin="hello\n", ok=False)
    assert done.code == 3
    assert done.out.startswith("hello\n")
    assert f'pod "{name}" deleted\n' in done.out
    ending = ("--grace-period=0", "--force", "--wait", "--timeout=20s", "--cascade=background")
    brief = kubectl("run", name, *ending, *words, "echo", "said before anybody has attached")
    assert "said before anybody has attached\n" in brief.out
    assert kubectl("get", "pod", name, ok=False).code == 1


def test_logs(kubectl: Client) -> None:
    lines = "".join(f"one {n}\n" for n in range(1, 6))
    assert kubectl("logs", "two", "-c", "one").out == lines
    assert kubectl("logs", "two", "-c", "one", "--tail=2").out == "one 4\none 5\n"
    assert kubectl("logs", "two", "-c", "one", "--tail=0").out == ""
    assert kubectl("logs", "two", "-c", "one", "--since=1h").out == lines
    assert kubectl("logs", "two", "-c", "one", "--limit-bytes=6").out == "one 1\n"
    assert re.fullmatch(
        r"\d{4}-\S+Z one 5\n", kubectl("logs", "two", "-c", "one", "--tail=1", "--timestamps").out
    )
    together = kubectl("logs", "two", "--all-containers").out
    assert sorted(together.splitlines()) == sorted(f"from first\n{lines}other".splitlines())
    assert kubectl("logs", "-l", "app=two", "-c", "other").out == "other\n"
    prefixed = kubectl("logs", "-l", "app=two", "--all-containers", "--prefix", "--tail=1").out
    assert sorted(prefixed.splitlines()) == [
        "[pod/two/first] from first",
        "[pod/two/one] one 5",
        "[pod/two/other] other",
    ]
    assert kubectl("logs", "again").out == "run 2\n"
    assert kubectl("logs", "again", "--previous").out == "run 1\n"
    never = kubectl("logs", "shell", "--previous", ok=False)
    assert never.code == 1
    assert 'previous terminated container "main" in pod "shell" not found' in never.err


def test_logs_that_are_followed(kubectl: Client) -> None:
    with (
        kubectl.terminal("attach", "-i", "talker") as talker,
        kubectl.terminal("logs", "-f", "talker") as logs,
    ):
        talker.see("pressing enter.\n")
        talker.type(f"for the log {kubectl.name}\n")
        logs.see(f"got for the log {kubectl.name}\n")
        logs.type("\x03")
        assert logs.exit_code() != 0


def test_copies(kubectl: Client, tmp_path: Path) -> None:
    source = tmp_path / "source"
    (source / "inner").mkdir(parents=True)
    (source / "inner" / "file").write_bytes(os.urandom(3_000_000))
    (source / "script").write_text("#!/bin/sh\n")
    (source / "script").chmod(0o755)
    remote = f"shell:/tmp/{kubectl.name}"
    kubectl("cp", str(source), remote)
    kubectl("cp", remote, str(tmp_path / "back"))
    assert (tmp_path / "back/inner/file").read_bytes() == (source / "inner/file").read_bytes()
    kubectl("exec", "shell", "--", "test", "-x", f"/tmp/{kubectl.name}/script")
    kubectl("cp", str(source / "script"), f"{remote}-script")
    kubectl("cp", f"{remote}-script", str(tmp_path / "alone"))
    assert (tmp_path / "alone").read_text() == "#!/bin/sh\n"
    # The content of a directory goes into one that is there; what goes to a directory of the pod, into that.
    kubectl("cp", f"{remote}/.", str(tmp_path))
    assert (tmp_path / "inner/file").read_bytes() == (source / "inner/file").read_bytes()
    kubectl("cp", str(source / "script"), f"{remote}/inner")
    kubectl("exec", "shell", "--", "test", "-x", f"/tmp/{kubectl.name}/inner/script")
    refused = kubectl("cp", f"{remote}-script", str(tmp_path), ok=False)
    assert refused.err.splitlines()[-1] == f"error: open {tmp_path}: is a directory"
    kubectl("cp", "shell:/no/such/file", str(tmp_path / "missing"), ok=False)
    assert not (tmp_path / "missing").exists()


@contextmanager
def serving(kubectl: Client, *words: str, says: str) -> Iterator[int]:
    """A kubectl that serves until the end of the block; gives the port that its first line tells."""
    with subprocess.Popen(
        kubectl.line(*words),
        env=kubectl.cluster.env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            matched = re.match(says, process.stdout.readline())
            assert matched, process.communicate(timeout=5)
            yield int(matched[1])
            process.send_signal(signal.SIGINT)
            process.communicate(timeout=10)
        finally:
            process.kill()


def echoed(port: int, data: bytes) -> bytes:
    """What comes back of `data`, sent on a new connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=30) as sock:

        def send() -> None:
            sock.sendall(data)
            sock.shutdown(socket.SHUT_WR)

        sender = threading.Thread(target=send)
        sender.start()
        received = b"".join(iter(lambda: sock.recv(1 << 20), b""))
        sender.join()
    return received


@pytest.mark.parametrize("target", ["pod", "deployment", "service"])
def test_port_forward(kubectl: Client, target: str) -> None:
    pod = kubectl("get", "pods", "-l", "app=echo", "-o", "jsonpath={.items[0].metadata.name}").out
    name, port = {"pod": (pod, 7007), "deployment": ("deploy/echo", 7007), "service": ("svc/echo", 7)}[target]
    says = r"Forwarding from 127\.0\.0\.1:(\d+) -> 7007"
    with serving(kubectl, "port-forward", name, f":{port}", says=says) as local:
        assert echoed(local, b"one") == b"one"
        big = os.urandom(1 << 20) * 16
        assert hashlib.sha256(echoed(local, big)).digest() == hashlib.sha256(big).digest()
        results: dict[int, bytes] = {}

        def one(number: int) -> None:
            results[number] = echoed(local, f"{number}\n".encode() * 50_000)

        threads = [threading.Thread(target=one, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert results == {number: f"{number}\n".encode() * 50_000 for number in range(8)}


def test_port_forward_to_a_port_that_nobody_listens_on(kubectl: Client) -> None:
    with kubectl.terminal("port-forward", "shell", ":81") as terminal:
        local = int(terminal.see(" -> 81").split("127.0.0.1:")[1].split()[0])
        with socket.create_connection(("127.0.0.1", local), timeout=10) as sock:
            assert sock.recv(1) == b""
        terminal.see("connection refused")
        terminal.type("\x03")
        assert terminal.exit_code() == 0 or kubectl.name != "podyard"  # others lose the connection first


def test_proxy(kubectl: Client) -> None:
    with serving(kubectl, "proxy", "--port=0", says=r"Starting to serve on 127\.0\.0\.1:(\d+)\n") as port:
        code, body = http(f"http://127.0.0.1:{port}/version")
        assert code == 200
        assert '"gitVersion"' in body
        code, body = http(f"http://127.0.0.1:{port}/api/v1/namespaces/{kubectl.namespace}/pods/nope")
        assert code == 404
        assert '"reason":"NotFound"' in body.replace(" ", "")
        path = f"/api/v1/namespaces/{kubectl.namespace}/pods/shell/exec?command=ls&stdout=true"
        assert http(f"http://127.0.0.1:{port}{path}")[0] == 403
        for name in ("services/web:http", "services/http:web:8080", "pods/web", "pods/web:80"):
            code, body = http(f"http://127.0.0.1:{port}/api/v1/namespaces/{kubectl.namespace}/{name}/proxy/")
            assert code == 200
            assert "<h1>Welcome to nginx!</h1>" in body
        code, body = http(
            f"http://127.0.0.1:{port}/api/v1/namespaces/{kubectl.namespace}/services/web/proxy/"
        )
        assert code == 503
        assert 'no endpoints available for service \\"web\\"' in body


def test_a_service_by_get_raw(kubectl: Client) -> None:
    path = f"/api/v1/namespaces/{kubectl.namespace}/services/web:http/proxy"
    assert "<h1>Welcome to nginx!</h1>" in kubectl("get", "--raw", path).out
    refused = kubectl("get", "--raw", path.replace("web:http", "web:81"), ok=False)
    assert refused.code == 1
    assert 'no service port 81 found for service "web"' in refused.err
