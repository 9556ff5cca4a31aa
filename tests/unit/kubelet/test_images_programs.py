"""The built-in images as pods: what a client of them sees."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from podyard.kubelet.images import Image
from podyard.kubelet.images.catalog import ImageCatalog
from podyard.kubelet.programs.nginx import setup
from podyard.kubelet.runtime import ContainerPort, ContainerState
from tests.unit.kubelet.runtime_harness import Pods, fresh_ip, until


@pytest.fixture
def catalog(tmp_path: Path) -> ImageCatalog:
    return ImageCatalog(tmp_path / "images")


async def http(ip: str, request: str, port: int = 8080, tls: ssl.SSLContext | None = None) -> tuple[str, str]:
    """One request on a connection of its own: the head and the body of the answer."""
    reader, writer = await asyncio.open_connection(ip, port, ssl=tls)
    writer.write(f"{request} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nUser-Agent: test\r\n\r\n".encode())
    head, _, body = (await reader.read()).decode().partition("\r\n\r\n")
    writer.close()
    return head, body


PORTS = (ContainerPort(container_port=8080),)  # 80 is not everybody's
built_in = pytest.mark.skipif(setup.find_nginx() is not None, reason="this host has a real nginx")


async def test_nginx_serves_its_page(pods: Pods, catalog: ImageCatalog) -> None:
    ips = [fresh_ip(), fresh_ip()]
    image = await catalog.pull_image("nginx")
    containers = await asyncio.gather(*(pods.run_image(image, ip, ports=PORTS) for ip in ips))
    for ip in ips:
        head, body = await http(ip, "GET /")
        assert head.startswith("HTTP/1.1 200 OK\r\n")
        assert re.search(r"^Server: nginx/1\.\d+\.\d+\r$", head, re.MULTILINE)
        assert re.search(r"^Content-Type: text/html\r$", head, re.MULTILINE)
        assert re.search(r"^Content-Length: 615\r$", head, re.MULTILINE)  # as the real page
        assert "<title>Welcome to nginx!</title>" in body and "<h1>Welcome to nginx!</h1>" in body
    for container in containers:
        await pods.runtime.stop_container(container, 30)
        assert (await pods.runtime.container_status(container)).exit_code == 0


@built_in
@pytest.mark.parametrize(
    ("request_line", "status", "body"),
    [
        ("HEAD /", "200 OK", ""),
        ("GET /index.html?a=b", "200 OK", "Welcome to nginx!"),
        ("GET /nope", "404 Not Found", "<center><h1>404 Not Found</h1></center>"),
        ("GET /../../../../etc/passwd", "404 Not Found", "<h1>404 Not Found</h1>"),
        ("GET /%2e%2e/%2e%2e/config.json", "404 Not Found", "<hr><center>nginx/1.25</center>"),
        ("POST /", "405 Not Allowed", "<center><h1>405 Not Allowed</h1></center>"),
    ],
)
async def test_built_in_nginx_answers(
    pods: Pods, catalog: ImageCatalog, request_line: str, status: str, body: str
) -> None:
    ip = fresh_ip()
    await pods.run_image(await catalog.pull_image("nginx:1.25"), ip, ports=PORTS)
    head, found = await http(ip, request_line)
    assert head.startswith(f"HTTP/1.1 {status}\r\n")
    assert "Server: nginx/1.25\r\n" in head
    assert (found == "") if body == "" else (body in found)


async def test_nginx_logs_requests_on_stdout(pods: Pods, catalog: ImageCatalog) -> None:
    ip = fresh_ip()
    container = await pods.run_image(await catalog.pull_image("nginx"), ip, ports=PORTS)
    _, body = await http(ip, "GET /")
    path = (await pods.runtime.container_status(container)).log_path
    line = (
        r"^\S+ stdout F 127\.0\.0\.1 - - \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}\] "
        rf'"GET / HTTP/1\.1" 200 {len(body)} "-" "test" "-"$'
    )
    await until(lambda: re.search(line, path.read_text(), re.MULTILINE))


async def test_nginx_listens_on_what_is_declared(pods: Pods, catalog: ImageCatalog) -> None:
    ip = fresh_ip()
    ports = (*PORTS, ContainerPort(container_port=8081))
    await pods.run_image(await catalog.pull_image("nginx"), ip, ports=ports)
    for port in (8080, 8081):
        assert "Welcome to nginx!" in (await http(ip, "GET /", port))[1]
    with pytest.raises(ConnectionRefusedError):
        await http(ip, "GET /", 80)


async def test_nginx_quits_gracefully(pods: Pods, catalog: ImageCatalog) -> None:
    ip = fresh_ip()
    container = await pods.run_image(await catalog.pull_image("nginx"), ip, ports=PORTS)
    reader, writer = await asyncio.open_connection(ip, 8080)
    # The real nginx listens before it takes signals, and waits for the first request of a connection.
    # Once it has answered this one it takes signals, and the connection, idle now, must not hold it up.
    writer.write(b"HEAD / HTTP/1.1\r\nHost: test\r\n\r\n")
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
    await pods.runtime.stop_container(container, 30)
    assert (await pods.runtime.container_status(container)).exit_code == 0
    assert await reader.read() == b""
    writer.close()


@built_in
async def test_built_in_nginx_answers_who_came_while_it_was_told_to_quit(
    pods: Pods, catalog: ImageCatalog
) -> None:
    ip = fresh_ip()
    container = await pods.run_image(await catalog.pull_image("nginx"), ip, ports=PORTS)
    pid = (await pods.runtime.container_status(container)).pid
    assert pid
    os.kill(pid, signal.SIGSTOP)  # so that the signal and the connection reach it together
    os.kill(pid, signal.SIGQUIT)
    answer = asyncio.ensure_future(http(ip, "GET /"))
    await asyncio.open_connection(ip, 8080)  # the one above is in the queue before this one
    os.kill(pid, signal.SIGCONT)
    head, _ = await answer
    assert head.startswith("HTTP/1.1 200 OK\r\n")
    await pods.runtime.stop_container(container, 30)
    assert (await pods.runtime.container_status(container)).exit_code == 0


async def test_nginx_waits_for_the_first_request_of_a_connection(pods: Pods, catalog: ImageCatalog) -> None:
    """Who has connected before it was told to quit, and is busy."""
    ip = fresh_ip()
    container = await pods.run_image(await catalog.pull_image("nginx"), ip, ports=PORTS)
    await http(ip, "GET /")  # it takes signals
    reader, writer = await asyncio.open_connection(ip, 8080)
    stopped = asyncio.create_task(pods.runtime.stop_container(container, 30))
    async with asyncio.timeout(20):
        while True:
            try:
                (await asyncio.open_connection(ip, 8080))[1].close()
            except OSError:  # it listens no more
                break
    done, _ = await asyncio.wait([stopped], timeout=0.5)
    assert not done
    writer.write(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")
    assert (await reader.read()).startswith(b"HTTP/1.1 200 OK\r\n")
    writer.close()
    await stopped
    assert (await pods.runtime.container_status(container)).exit_code == 0


async def test_nginx_ends_when_it_is_told_to_before_it_has_a_handler(
    pods: Pods, catalog: ImageCatalog
) -> None:
    """Process 1 of a namespace, which it is where possible, gets no signal that it has no handler for."""
    container = await pods.create_of(await catalog.pull_image("nginx"), fresh_ip(), ports=PORTS)
    await pods.runtime.start_container(container)
    await pods.runtime.stop_container(container, 30)
    assert (await pods.runtime.container_status(container)).exit_code == 0


async def test_nginx_command_line(pods: Pods, catalog: ImageCatalog) -> None:
    container = await pods.run_image(await catalog.pull_image("nginx:1.25"), fresh_ip(), ports=PORTS)
    version = await pods.runtime.exec_sync(container, ["nginx", "-v"], 20)
    assert version.exit_code == 0 and version.stderr.startswith(b"nginx version: nginx/1.")
    check = await pods.runtime.exec_sync(container, ["nginx", "-t"], 20)
    assert check.exit_code == 0 and b"test is successful" in check.stderr
    wrong = await pods.runtime.exec_sync(container, ["nginx", "-x"], 20)
    assert wrong.exit_code == 1 and b"invalid option: " in wrong.stderr
    reload = await pods.runtime.exec_sync(container, ["nginx", "-s", "reload"], 20)
    assert reload.exit_code == 0
    assert (await pods.runtime.container_status(container)).state == ContainerState.RUNNING
    assert (await pods.runtime.exec_sync(container, ["nginx", "-s", "quit"], 20)).exit_code == 0
    assert (await pods.exited(container)).exit_code == 0


@built_in
async def test_a_taken_address_is_said_as_nginx_says_it(pods: Pods, catalog: ImageCatalog) -> None:
    ip = fresh_ip()
    image = await catalog.pull_image("nginx")
    await pods.run_image(image, ip, ports=PORTS)
    second = await pods.run_image(image, ip, ports=PORTS)
    assert (await pods.exited(second)).exit_code == 1
    ((_, _, text),) = await pods.log(second)
    assert text == f"nginx: [emerg] bind() to {ip}:8080 failed (98: Address already in use)"


def certificate(directory: Path) -> tuple[Path, Path]:
    """A self-signed one, as the tutorial makes it."""
    key, cert = directory / "nginx.key", directory / "nginx.crt"
    command = "openssl req -x509 -nodes -days 2 -newkey rsa:2048 -subj /CN=my-nginx/O=my-nginx"
    subprocess.run(
        [*command.split(), "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True
    )
    return cert, key


async def with_tls(tmp_path: Path) -> Image:
    """An nginx image with TLS on 8443, by the certificate in tmp_path."""
    own = tmp_path / "own.yaml"
    own.write_text(
        "images: [{name: tls, ports: [8080, 8443], listen: address, waitForPorts: true, command: [nginx],\n"
        '  programs: {nginx: ["${python}", -I, -S, "${programs}/nginx/__main__.py", "${site}",'
        f' "8443:{tmp_path}/nginx.crt:{tmp_path}/nginx.key"]}}}}]\n'
    )
    return await ImageCatalog(tmp_path / "images", own).pull_image("tls")


async def test_tls(pods: Pods, tmp_path: Path) -> None:
    cert, _ = certificate(tmp_path)
    ip = fresh_ip()
    container = await pods.run_image(await with_tls(tmp_path), ip)
    context = ssl.create_default_context(cafile=str(cert))
    context.check_hostname = False
    assert "Welcome to nginx!" in (await http(ip, "GET /", 8443, context))[1]
    assert "Welcome to nginx!" in (await http(ip, "GET /"))[1]
    certificate(tmp_path)
    assert (await pods.runtime.exec_sync(container, ["nginx", "-s", "reload"], 20)).exit_code == 0
    context = ssl.create_default_context(cafile=str(cert))
    context.check_hostname = False
    async with asyncio.timeout(10):
        while True:
            try:
                await http(ip, "GET /", 8443, context)
            except ssl.SSLError:  # still the old one: a signal has no answer
                await asyncio.sleep(0.01)
            else:
                break


async def test_nginx_does_not_start_without_its_certificate(pods: Pods, tmp_path: Path) -> None:
    image = await with_tls(tmp_path)
    container = await pods.run_image(image, fresh_ip())
    assert (await pods.exited(container)).exit_code == 1
    text = "\n".join(line for _, _, line in await pods.log(container))
    assert f'[emerg] cannot load certificate "{tmp_path}/nginx.crt"' in text
    cert, key = certificate(tmp_path)
    key.write_text(cert.read_text())
    container = await pods.run_image(image, fresh_ip())
    assert (await pods.exited(container)).exit_code == 1


def test_the_real_nginx_gets_its_addresses(tmp_path: Path) -> None:
    site = setup.Site(str(tmp_path), "127.244.1.2", [80, 443], 443, ("/c.crt", "/c.key"))
    config = site.config()
    assert "        listen 127.244.1.2:80;\n" in config
    assert "        listen 127.244.1.2:443 ssl;\n" in config
    assert "ssl_certificate /c.crt;" in config
    assert config.count("{") == config.count("}")
    without = setup.Site(str(tmp_path), "127.244.1.2", [80, 443], 443, None).config()
    assert "443" not in without


@pytest.mark.parametrize(
    ("path", "is_there"), [("/proc", True), ("/", True), ("/pro", False), ("/usr/share/nginx/html", False)]
)
def test_mounted_volumes_are_noticed(path: str, is_there: bool) -> None:
    assert setup.is_mounted(path) is is_there


async def test_shells_end_without_input_and_run_commands(pods: Pods, catalog: ImageCatalog) -> None:
    for name in ("busybox", "busybox:1.36", "radial/busyboxplus:curl"):
        status = await pods.exited(await pods.run_image(await catalog.pull_image(name), fresh_ip()))
        assert (status.exit_code, status.reason) == (0, "Completed")
    container = await pods.run_image(await catalog.pull_image("busybox"), fresh_ip(), ["sh", "-c", "echo hi"])
    await pods.exited(container)
    assert await pods.log(container) == [("stdout", "F", "hi")]


async def test_pause_waits_and_ends_well(pods: Pods, catalog: ImageCatalog) -> None:
    container = await pods.run_image(await catalog.pull_image("registry.k8s.io/pause:3.9"), fresh_ip())
    assert (await pods.runtime.container_status(container)).state == ContainerState.RUNNING
    await asyncio.sleep(0.1)
    await pods.runtime.stop_container(container, 30)
    assert (await pods.runtime.container_status(container)).exit_code == 0
    assert await pods.log(container) == [("stderr", "F", "Shutting down, got signal: Terminated")]


@pytest.mark.parametrize("args", [["--version"], ["curl", "--version"]])
async def test_curl(pods: Pods, catalog: ImageCatalog, tmp_path: Path, args: list[str]) -> None:
    curl = tmp_path / "bin" / "curl"
    curl.parent.mkdir()
    curl.write_text('#!/bin/sh\necho curl "$@"\n')
    curl.chmod(0o755)
    image = await catalog.pull_image("curlimages/curl")
    path = f"{image.env['PATH'].split(':')[0]}:{curl.parent}:/usr/bin:/bin"
    container = await pods.run_image(image, fresh_ip(), args, env={"PATH": path})
    await pods.exited(container)
    assert await pods.log(container) == [("stdout", "F", "curl --version")]


async def test_python_http_server_in_two_pods(pods: Pods, catalog: ImageCatalog) -> None:
    image = await catalog.pull_image("python:3.12")
    ips = [fresh_ip(), fresh_ip()]
    for ip in ips:
        await pods.run_image(
            image, ip, ["python", "-m", "http.server", "8000"], ports=(ContainerPort(container_port=8000),)
        )
    for ip in ips:
        assert (await http(ip, "GET /", 8000))[0].startswith("HTTP/1.0 200 OK")


@pytest.mark.parametrize(
    "script",
    [
        "server = await asyncio.start_server(answer, None, 8000); await server.serve_forever()",
        "server = await asyncio.start_server(answer, '', 8000); await server.serve_forever()",
        "s = socket.socket(); s.bind(('0.0.0.0', 8000)); s.listen(); s.accept()[0].close(); s.accept()",
        "s = socket.create_server(('', 8000)); s.accept()[0].close(); s.accept()",
        "s = socket.create_server(('', 8000), family=socket.AF_INET6, dualstack_ipv6=True); "
        "s.accept()[0].close(); s.accept()",
    ],
)
async def test_wildcards_become_the_pods_address(pods: Pods, catalog: ImageCatalog, script: str) -> None:
    ip = fresh_ip()
    program = "import asyncio, socket\n"
    program += "def answer(reader, writer): writer.close()\n"
    program += "async def main():\n    " + script.replace("; ", "\n    ") + "\nasyncio.run(main())"
    await pods.run_image(
        await catalog.pull_image("python"),
        ip,
        ["python3", "-c", program],
        ports=(ContainerPort(container_port=8000),),
    )
    _, writer = await asyncio.open_connection(ip, 8000)
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(fresh_ip(), 8000)
    writer.close()


@pytest.mark.parametrize("port", ["int(os.environ['PORT'])", "8000"])
async def test_a_python_program_by_its_path(
    pods: Pods, catalog: ImageCatalog, tmp_path: Path, port: str
) -> None:
    program = tmp_path / "serve"
    program.write_text(
        f"#!{sys.executable}\nimport os, socket\n"
        f"server = socket.create_server(('', {port}))\n"
        "while True: server.accept()[0].sendall(b'hello')\n"
    )
    program.chmod(0o755)
    image = await catalog.pull_image(str(program))
    ips = [fresh_ip(), fresh_ip()]
    for ip in ips:
        await pods.run_image(image, ip, ports=(ContainerPort(container_port=8000),))
    for ip in ips:
        reader, writer = await asyncio.open_connection(ip, 8000)
        assert await reader.readexactly(5) == b"hello"
        writer.close()


FALLBACK = """
import importlib, sys
sys.path.insert(0, sys.argv[1])
from podyard.kubelet.programs.nginx.light_aiohttp import import_web_server
real = importlib.import_module
def broken(name):
    importlib.import_module = real
    raise ImportError(name)
if sys.argv[2] == "broken":
    importlib.import_module = broken
import_web_server()
import aiohttp.web_server
print("aiohttp.client" in sys.modules, aiohttp.web_server.Server.__name__)
"""


@pytest.mark.parametrize(("how", "says"), [("works", "False Server"), ("broken", "True Server")])
def test_aiohttp_without_its_client_or_else_whole(how: str, says: str) -> None:
    source = str(Path(setup.__file__).parents[4])
    done = subprocess.run([sys.executable, "-c", FALLBACK, source, how], capture_output=True, text=True)
    assert done.stdout.strip() == says, done.stderr
