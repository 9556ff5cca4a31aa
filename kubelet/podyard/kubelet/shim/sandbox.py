"""The shim: one pod's containers, and the socket on which kubelets come and go."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from typing import Any

from podyard.kubelet.shim import linux, spawn
from podyard.kubelet.shim.birth import StartError
from podyard.kubelet.shim.connection import Connection
from podyard.kubelet.shim.container import Container
from podyard.kubelet.shim.forward import open_forward
from podyard.kubelet.shim.loop import READ, Loop
from podyard.kubelet.shim.namespaces import Namespaces

SOCKET = "shim.sock"


class NotRunning(Exception):
    """The container has no process."""


class Sandbox:
    """Requests are {"id", "verb", …}; each gets one reply {"id", "result"} or {"id", "error", "kind"}.

    Unasked come {"event", "container", "state"} when a container has changed, to every connection,
    and {"exec", "code"} when a command has ended, to the connection that asked for it.
    """

    def __init__(self, loop: Loop, directory: str) -> None:
        with open(f"{directory}/config.json", encoding="utf-8") as file:
            config = json.load(file)
        self._pod_ip: str = config["ip"]
        self._loop = loop
        for mapping in config["portMappings"]:  # while we are in the node's network
            self._listen_for(mapping)
        self._namespaces = Namespaces(config["namespaces"], directory)
        self._namespaces.enter(config["hostname"])
        self._directory = directory
        self._containers: dict[str, Container] = {}
        self._connections: list[Connection] = []
        self._execs: dict[int, tuple[Connection, int]] = {}  # pid → who asked, and the request's id
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_NONBLOCK)

    def serve(self, control: socket.socket) -> None:
        """Listen beside the connection that is there already. Returns at once; the loop does the rest."""
        os.chdir(self._directory)  # the whole path may be longer than a socket's may be
        self._listener.bind(SOCKET)
        self._listener.listen(16)
        self._loop.watch(self._listener.fileno(), READ, self._accept)
        self._loop.on_child(self._child_ended)
        self._add(control)

    def shutdown(self) -> None:
        """Kill everything and end once it is gone."""
        for container in self._containers.values():
            container.kill()
        if any(container.alive for container in self._containers.values()):
            self._loop.call_later(0.005, self.shutdown)
            return
        self._loop.forget(self._listener.fileno())
        self._listener.close()
        if os.path.exists(SOCKET):
            os.unlink(SOCKET)
        self._loop.stop()

    def _listen_for(self, mapping: dict[str, Any]) -> None:
        address = (mapping["hostIP"], mapping["hostPort"])
        target = (self._pod_ip, mapping["containerPort"])
        try:
            open_forward(self._loop, mapping["protocol"], address, target)
        except OSError as error:
            where = f"{address[0]}:{address[1]}/{mapping['protocol']}"
            sys.exit(f"cannot listen on hostPort {where}: {(error.strerror or '').lower()}")

    def _accept(self, events: int) -> None:
        try:
            sock, _ = self._listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError:  # no descriptor is free
            self._loop.pause(self._listener.fileno())
            return
        self._add(sock)

    def _add(self, sock: socket.socket) -> None:
        connection = Connection(self._loop, sock, self._received, self._connections.remove)
        self._connections.append(connection)
        connection.send({"hello": True})

    def _received(self, connection: Connection, request: dict[str, Any], fds: list[int]) -> None:
        number = request["id"]
        try:
            self._handle(connection, number, request, fds)
        except Exception as error:
            connection.send({"id": number, "error": str(error), "kind": type(error).__name__})
        finally:
            for fd in fds:
                os.close(fd)

    def _handle(self, connection: Connection, number: int, request: dict[str, Any], fds: list[int]) -> None:
        def done(result: object = None) -> None:
            connection.send({"id": number, "result": result})

        verb = request["verb"]
        if verb == "shutdown":
            self.shutdown()
            return
        container = self._container(request["container"])
        if verb in ("exec", "attach", "resize") and not container.pid:
            raise NotRunning("the container does not run")
        if verb in ("exec", "attach") and len(fds) < 3:  # the kernel has dropped what it had no number for
            raise StartError("the pod's shim cannot take the streams: too many open files")
        if verb == "start":
            container.start()
            done()
        elif verb == "stop":
            container.stop(request["timeout"], done)
        elif verb == "remove":
            del self._containers[container.id]
            done()
        elif verb == "exec":
            stdin, stdout, stderr = fds
            pid = container.exec(request["command"], (stdin, stdout, stderr), request["tty"])
            self._execs[pid] = (connection, number)
            done(pid)
        elif verb == "kill":
            if request["pid"] in self._execs:
                os.killpg(request["pid"], signal.SIGKILL)
            done()
        elif verb == "attach" and container.streams is not None:
            stdin, stdout, stderr = fds
            container.streams.attach(stdin if request["stdin"] else -1, stdout, stderr)
            del fds[:]  # they are the streams' now
            if not request["stdin"]:
                os.close(stdin)
            done()
        elif verb == "resize" and container.streams is not None:
            container.streams.resize(request["width"], request["height"])
            done()

    def _container(self, container_id: str) -> Container:
        if container_id not in self._containers:
            directory = f"{self._directory}/containers/{container_id}"
            self._containers[container_id] = Container(
                self._loop, directory, self._pod_ip, self._namespaces, self._changed
            )
        return self._containers[container_id]

    def _changed(self, container: Container, event: str) -> None:
        for connection in list(self._connections):
            connection.send({"event": event, "container": container.id, "state": container.state})

    def _child_ended(self, pid: int, status: int) -> None:
        for container in self._containers.values():
            if container.pid == pid:
                container.exited(status)
                return
        if pid in self._execs:
            connection, number = self._execs.pop(pid)
            code = os.waitstatus_to_exitcode(status)
            connection.send({"exec": number, "code": 128 - code if code < 0 else code})


def main(directory: str, control_fd: int) -> None:
    """Be the shim of the sandbox in `directory` until told to end, by request or by SIGTERM."""
    linux.set_name("podyard-shim")
    linux.become_subreaper()
    spawn.raise_descriptor_limit()
    for number in (signal.SIGHUP, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    control = socket.socket(fileno=control_fd)
    control.set_inheritable(False)
    loop = Loop()
    sandbox = Sandbox(loop, directory)
    signal.signal(signal.SIGTERM, lambda *_: loop.call_later(0, sandbox.shutdown))
    sandbox.serve(control)
    loop.run()
