"""The programs that busybox' images have where the node has none: curl, nslookup, ps."""

from __future__ import annotations

import http.server
import os
import socket
import ssl
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import dnslib
import pytest

from podyard.kubelet import programs
from podyard.kubelet.programs.curl.command import written_out
from podyard.kubelet.programs.curl.transfer import Answer
from podyard.kubelet.programs.nslookup import command as nslookup
from podyard.kubelet.programs.nslookup.command import Resolver, candidates, parse
from tests.support.certificates import Authority

PROGRAMS = Path(programs.__file__).parent
PYTHON = [sys.executable, "-I", "-S"]


class Echo(http.server.BaseHTTPRequestHandler):
    """Answers with what it was asked."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        answer = f"{self.requestline}\n{self.headers}".encode() + body
        status = {"/moved": 302, "/loop": 302, "/none": 404}.get(self.path, 200)
        self.send_response(status)
        if status == 302:
            self.send_header("Location", "/there" if self.path == "/moved" else "/loop")
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    do_POST = do_HEAD = do_PUT = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.fixture
def server() -> Iterator[http.server.ThreadingHTTPServer]:
    """An HTTP server on a port of 127.0.0.1."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Echo) as made:
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield made
        made.shutdown()
        thread.join()


def curl(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Our own curl, as the image's command starts it."""
    command = [*PYTHON, str(PROGRAMS / "curl/__main__.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)


@pytest.mark.parametrize(
    ("arguments", "out"),
    [
        (["HOST"], "GET / HTTP/1.1\nHost: HOST\nUser-Agent: curl/7.88.1\nAccept: */*\n\n"),
        (["URL/a?b=c", "-A", "me", "-HAccept:"], "GET /a?b=c HTTP/1.1\nHost: HOST\nUser-Agent: me\n\n"),
        (["-H", "Host: x", "-HAccept:", "-Ame", "URL"], "GET / HTTP/1.1\nUser-Agent: me\nHost: x\n\n"),
        (["-sX", "PUT", "-A", "me", "-HAccept:", "URL"], "PUT / HTTP/1.1\nHost: HOST\nUser-Agent: me\n\n"),
        (["-o/dev/null", "-w", r"%{http_code}\n", "URL/none"], "404\n"),
        (["-fo/dev/null", "-w", "%{http_code}", "URL"], "200"),
        (["-Gso/dev/null", "-da=b", "-d", "c=d", "-w%{url_effective}", "URL"], "URL/?a=b&c=d"),
        (["-Lso/dev/null", "-w", "%{http_code} %{num_redirects}", "URL/moved"], "200 1"),
        (["-so/dev/null", "-w", "%{http_code} %{redirect_url}", "URL/moved"], "302 URL/there"),
        (["--resolve", "web:PORT:127.0.0.1", "-so/dev/null", "-w%{remote_ip}", "web:PORT"], "127.0.0.1"),
    ],
)
def test_curl_sends_and_shows(
    server: http.server.ThreadingHTTPServer, arguments: list[str], out: str
) -> None:
    def filled(text: str) -> str:
        host = text.replace("URL", "http://HOST").replace("HOST", "127.0.0.1:PORT")
        return host.replace("PORT", str(server.server_port))

    done = curl(*map(filled, arguments))
    assert (done.returncode, done.stdout, done.stderr) == (0, filled(out), "")


def test_curl_posts_what_it_is_given(server: http.server.ThreadingHTTPServer, tmp_path: Path) -> None:
    url = f"127.0.0.1:{server.server_port}"
    form = curl("-d", "a=b", "-d", "c=d", url).stdout
    assert form.startswith("POST / HTTP/1.1\n")
    assert "Content-Type: application/x-www-form-urlencoded\n" in form
    assert form.endswith("\n\na=b&c=d")
    (tmp_path / "body").write_text("one\ntwo\n")
    assert curl("-d", f"@{tmp_path}/body", url).stdout.endswith("\n\nonetwo")
    assert curl("--data-binary", f"@{tmp_path}/body", url).stdout.endswith("\n\none\ntwo\n")
    json = curl("--json", "{}", url).stdout
    assert "Content-Type: application/json\n" in json and json.endswith("\n\n{}")


def test_curl_shows_headers(server: http.server.ThreadingHTTPServer) -> None:
    url = f"127.0.0.1:{server.server_port}"
    head = curl("-I", f"{url}/moved").stdout
    assert head.startswith("HTTP/1.1 302 Found\n")
    assert "Location: /there\n" in head and head.endswith("\n\n")
    both = curl("-iL", f"{url}/moved").stdout
    assert (
        both.index("HTTP/1.1 302 Found") < both.index("HTTP/1.1 200 OK") < both.index("GET /there HTTP/1.1")
    )
    talk = curl("-v", url).stderr
    for line in ("* Connected to 127.0.0.1", "> GET / HTTP/1.1", "< HTTP/1.1 200 OK"):
        assert line in talk


@pytest.mark.parametrize(
    ("arguments", "code", "error"),
    [
        (["http://no-such-name.invalid"], 6, "Could not resolve host: no-such-name.invalid"),
        (["http://127.203.9.9:81"], 7, "Failed to connect to 127.203.9.9 port 81 after 0 ms: Couldn't"),
        (["gopher://x"], 1, 'Protocol "gopher" not supported or disabled in libcurl'),
        (["http://"], 3, "URL using bad/illegal format or missing URL"),
        (["-f", "HOST/none"], 22, "The requested URL returned error: 404"),
        (["-sSf", "HOST/none"], 22, "The requested URL returned error: 404"),
        (["-o", "/no/such/file", "HOST"], 23, "Failure writing output to destination"),
        (["-L", "--max-redirs", "3", "-o", "/dev/null", "HOST/loop"], 47, "Maximum (3) redirects followed"),
        (["--cacert", "/no/such/file", "https://HOST"], 77, "error setting certificate file: /no/such/file"),
        (["-k", "https://HOST"], 35, "wrong version number"),
    ],
)  # fmt: skip
def test_curl_says_what_is_wrong(
    server: http.server.ThreadingHTTPServer, arguments: list[str], code: int, error: str
) -> None:
    done = curl(*(text.replace("HOST", f"127.0.0.1:{server.server_port}") for text in arguments))
    assert (done.returncode, done.stdout) == (code, "")
    said = done.stderr.splitlines()[-1]
    assert said.startswith(f"curl: ({code}) ") and error in said


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--nonsense", "x"], "curl: option --nonsense: is unknown"),
        (["x", "-o"], "curl: option -o: requires parameter"),
        (["-k"], "curl: no URL specified!"),
        (["-m", "soon", "x"], "curl: option --max-time: expected a proper numerical parameter"),
    ],
)
def test_curl_does_not_understand(arguments: list[str], error: str) -> None:
    done = curl(*arguments)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == error


def test_curl_gives_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = curl("-m", "0.2", f"127.0.0.1:{silent.getsockname()[1]}")
    assert done.returncode == 28
    assert done.stderr == "curl: (28) Operation timed out after 200 milliseconds with 0 bytes received\n"


def test_curl_is_silent_when_told() -> None:
    assert curl("-s", "http://127.203.9.9:81").stderr == ""
    assert curl("-s", "-S", "http://127.203.9.9:81").stderr.startswith("curl: (7) ")


def test_curl_trusts_whom_it_is_told_to(server: http.server.ThreadingHTTPServer, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    files = authority.issue("web")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(files.cert, files.key)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    url, ca = f"https://127.0.0.1:{server.server_port}", str(authority.file)
    assert curl("--cacert", ca, url).stdout.startswith("GET / HTTP/1.1")
    assert curl("-k", url).stdout.startswith("GET / HTTP/1.1")
    stranger = curl(url)
    assert stranger.returncode == 60
    assert stranger.stderr.startswith("curl: (60) SSL certificate problem: unable to get local issuer cert")
    other_name = curl(
        "--cacert", ca, "--resolve", "web:443:127.0.0.1", "-4", url.replace("127.0.0.1", "localhost")
    )
    assert other_name.returncode == 60
    assert (
        "does not match" in other_name.stderr or "matches target host name 'localhost'" in other_name.stderr
    )


def test_what_is_written_out() -> None:
    answer = Answer("http://x/", status=200, size=5, remote_ip="127.0.0.9")
    assert written_out("%{http_code}%% %{remote_ip} %{nonsense}|", answer) == "200% 127.0.0.9 |"


@pytest.mark.parametrize(
    ("name", "full"),
    [
        ("web", ["web.a", "web.b", "web"]),
        ("web.default", ["web.default.a", "web.default.b", "web.default"]),
        ("a.b.c.d.e.f", ["a.b.c.d.e.f", "a.b.c.d.e.f.a", "a.b.c.d.e.f.b"]),
        ("web.", ["web."]),
    ],
)
def test_names_are_completed(name: str, full: list[str]) -> None:
    resolver = parse("# one\nnameserver 127.96.0.10\nsearch a b\noptions ndots:5 timeout:1\n")
    assert resolver == Resolver(["127.96.0.10"], ["a", "b"], 5)
    assert candidates(name, resolver) == full


class Zone(dict[tuple[str, str], str]):
    """A DNS server of a few names on a port of 127.0.0.1."""

    def __enter__(self) -> int:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return int(self._socket.getsockname()[1])

    def __exit__(self, *problem: object) -> None:
        self._socket.sendto(b"", self._socket.getsockname())
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            data, client = self._socket.recvfrom(512)
            if not data:
                return
            question = dnslib.DNSRecord.parse(data)
            key = (str(question.q.qname), dnslib.QTYPE[question.q.qtype])
            lines = f"{key[0]} 5 {key[1]} {self[key]}" if key in self else ""
            reply = question.reply()
            reply.header.rcode = dnslib.RCODE.NOERROR if lines else dnslib.RCODE.NXDOMAIN
            reply.add_answer(*dnslib.RR.fromZone(lines))
            self._socket.sendto(reply.pack(), client)


def test_nslookup_prints_as_busybox(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    names = {("web.default.svc.", "A"): "127.96.0.7", ("7.0.96.127.in-addr.arpa.", "PTR"): "web.default.svc."}
    conf = tmp_path / "resolv.conf"
    conf.write_text("nameserver 127.0.0.1\nsearch default.svc svc\noptions ndots:5\n")
    monkeypatch.setattr(nslookup, "RESOLV_CONF", str(conf))
    with Zone(names) as port:
        monkeypatch.setattr(nslookup, "PORT", port)
        server = "Server:    127.0.0.1\nAddress 1: 127.0.0.1\n\n"
        for words, out in [
            (["web"], f"{server}Name:      web\nAddress 1: 127.96.0.7\n"),
            (
                ["web.default.svc.", "localhost"],
                f"{server}Name:      web.default.svc.\nAddress 1: 127.96.0.7\n",
            ),
            (["127.96.0.7"], f"{server}Name:      127.96.0.7\nAddress 1: 127.96.0.7 web.default.svc\n"),
        ]:
            assert nslookup.main(words) == 0
            assert capsys.readouterr().out == out
        assert nslookup.main(["none"]) == 1
        assert capsys.readouterr() == (server, "nslookup: can't resolve 'none'\n")
    assert nslookup.main([]) == 1


def test_ps_shows_processes() -> None:
    done = subprocess.run([*PYTHON, str(PROGRAMS / "ps.py")], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()
    assert lines[0] == "  PID USER       TIME COMMAND"
    mine = next(line.split() for line in lines if line.split()[0] == str(os.getpid()))
    assert "python" in mine[3]


def test_ps_gives_each_process_one_line() -> None:
    code = f"import runpy\n\nrunpy.run_path({str(PROGRAMS / 'ps.py')!r}, run_name='__main__')"
    done = subprocess.run([*PYTHON, "-c", code], capture_output=True, text=True, check=True)
    lines = done.stdout.splitlines()[1:]
    assert all(line.split()[0].isdigit() for line in lines)
    assert [line for line in lines if " import runpy  runpy.run_path(" in line]


def test_a_nodes_own_program_goes_first(tmp_path: Path) -> None:
    for folder in ("image", "node"):
        (tmp_path / folder).mkdir()
        program = tmp_path / folder / "tool"
        program.write_text(f'#!/bin/sh\necho {folder} "$@"\n')
        program.chmod(0o755)
    # Four words, as of a Python program, then what the user has typed.
    command = ["sh", str(PROGRAMS / "node-or.sh"), "tool", "echo", "-n", "our", "own", "a", "b c"]
    for folders, out in [("image", "our own a b c"), ("image:node", "node a b c\n")]:
        path = ":".join([*(f"{tmp_path}/{folder}" for folder in folders.split(":")), "/usr/bin", "/bin"])
        done = subprocess.run(command, env={"PATH": path}, capture_output=True, text=True, check=True)
        assert done.stdout == out
