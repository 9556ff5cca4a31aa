"""One container in the shim: start, readiness, end, and the state file that outlives everything."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Sequence

from podyard.kubelet.shim import marker
from podyard.kubelet.shim.birth import Door, StartError, reason
from podyard.kubelet.shim.forward import TcpForward, UdpForward, open_forward
from podyard.kubelet.shim.log import LogFile
from podyard.kubelet.shim.loop import Loop, Timer
from podyard.kubelet.shim.namespaces import Namespaces
from podyard.kubelet.shim.ports import PortWait, free_port
from podyard.kubelet.shim.signals import signal_number
from podyard.kubelet.shim.spawn import spawn
from podyard.kubelet.shim.streams import ContainerStreams

READY_SECONDS = 5.0
DRAIN_SECONDS = 1.0
KILL_RETRY_SECONDS = 0.05
SETTLE_SECONDS = 0.005
MAX_MESSAGE_BYTES = 4096


class Container:
    """Its directory holds config.json, which the kubelet has written, and state.json."""

    def __init__(
        self,
        loop: Loop,
        directory: str,
        pod_ip: str,
        namespaces: Namespaces,
        changed: Callable[[Container, str], None],
    ) -> None:
        with open(f"{directory}/config.json", encoding="utf-8") as file:
            self._config = json.load(file)
        with open(f"{directory}/state.json", encoding="utf-8") as file:
            self.state = json.load(file)
        self.id: str = self._config["id"]
        self.marker = marker.marker_of(self.id)
        self.streams: ContainerStreams | None = None
        self._env: dict[str, str] = self._config["env"]
        self._loop = loop
        self._directory = directory
        self._pod_ip = pod_ip
        self._namespaces = namespaces
        self._changed = changed
        self._pid = 0
        self._status: int | None = None  # of waitpid, once it has ended
        self._drained = False
        self._give_up_at = 0.0
        self._waits: list[PortWait] = []
        self._forwards: list[TcpForward | UdpForward] = []
        self._deadline: Timer | None = None
        self._stopped: list[Callable[[], None]] = []

    @property
    def alive(self) -> bool:
        """Whether its process, or any of its output, is still there."""
        return self.streams is not None

    @property
    def pid(self) -> int:
        """The main process, 0 when it does not run."""
        return self._pid

    def start(self) -> None:
        """Run it; it is `running` once it serves. Raises StartError."""
        if self.state["state"] != "created" or self.alive:
            raise StartError("the container has been started before")
        try:
            private = self._private_ports()
            self._env = {**self._listen_env(private), **self._config["env"]}
            streams = self._run()
        except (StartError, OSError) as error:
            failure = error if isinstance(error, StartError) else _cannot_start(reason(error))
            now = time.time()
            self._set(
                "stopped",
                state="exited",
                startedAt=now,
                finishedAt=now,
                exitCode=128,
                reason="StartError",
                message=str(failure),
            )
            raise failure from None
        self.streams = streams
        streams.started()
        self._set("started", pid=self._pid, startedAt=time.time())
        self._await_ports(private)

    def exec(self, command: list[str], stdio: Sequence[int], tty: bool) -> int:
        """Run a command beside the main process; returns its pid. Raises StartError."""
        env = {**self._env, "TERM": "xterm"} if tty else self._env
        return self._spawn(command, env, stdio, tty, self._namespaces.beside(self._pid))

    def stop(self, timeout: float, stopped: Callable[[], None]) -> None:
        """Ask it to end, insist after `timeout` seconds; `stopped` is called when it has ended."""
        if not self.alive:
            stopped()
            return
        self._stopped.append(stopped)
        if timeout <= 0:
            self.kill()
            return
        self._loop.call_later(timeout, self.kill)
        if self._pid:
            os.kill(self._pid, signal_number(self._config["stopSignal"]))

    def kill(self) -> None:
        """SIGKILL all of it, however deep, and again until nothing is left."""
        if not self.alive:
            return
        if self._pid:
            _kill_group(self._pid)
        if marker.kill(self.marker):
            self._loop.call_later(KILL_RETRY_SECONDS, self.kill)

    def exited(self, status: int) -> None:
        """The main process has ended: take the rest of the container with it, wait for the last output."""
        self._status = status
        _kill_group(self._pid)
        self._pid = 0
        self._close_ports()
        if self.streams is not None:
            self.streams.read_on()
        self._give_up_at = time.monotonic() + DRAIN_SECONDS
        self._settle()

    def _run(self) -> ContainerStreams:
        """Start the main process; gives its streams. Raises StartError or OSError; leaves nothing open."""
        config = self._config
        streams = ContainerStreams(
            self._loop,
            LogFile(config["logPath"]),
            tty=config["tty"],
            stdin=config["stdin"],
            stdin_once=config["stdinOnce"],
            ended=self._output_ended,
        )
        try:
            door = self._namespaces.container(config, self._directory)
            blocked = {signal_number(config["stopSignal"])} if config["stopSignalBlocked"] else ()
            self._pid = self._spawn(config["command"], self._env, streams.stdio, config["tty"], door, blocked)
        except StartError:
            streams.abandon()
            raise
        return streams

    def _spawn(
        self,
        command: list[str],
        env: dict[str, str],
        stdio: Sequence[int],
        tty: bool,
        door: Door,
        blocked: Collection[int] = (),
    ) -> int:
        directory = self._config["workingDir"]
        try:
            security = self._config.get("security")
            return spawn(command, env, directory, self.marker, stdio, tty, door, blocked, security)
        except StartError as error:
            raise _cannot_start(str(error)) from None

    def _output_ended(self) -> None:
        self._drained = True
        if self._status is not None:
            self._settle()

    def _settle(self) -> None:
        """Finish once nothing runs and all output is in the log; wait a second at most."""
        if self.streams is None or self._status is None:
            return
        left = marker.kill(self.marker)
        if (left or not self._drained) and time.monotonic() < self._give_up_at:
            self._loop.call_later(SETTLE_SECONDS, self._settle)
        else:
            self._finish(self.streams, self._status)

    def _finish(self, streams: ContainerStreams, status: int) -> None:
        streams.close()
        self.streams = None
        code = os.waitstatus_to_exitcode(status)
        code = 128 - code if code < 0 else code
        self._set(
            "stopped",
            state="exited",
            pid=0,
            finishedAt=time.time(),
            exitCode=code,
            reason="Error" if code else "Completed",
            message=self._termination_message(),
        )
        for stopped in self._stopped:
            stopped()

    def _private_ports(self) -> dict[int, int]:
        if self._config["listen"] != "port" or self._namespaces.network:
            return {}
        return {port["containerPort"]: free_port("127.0.0.1") for port in self._config["ports"]}

    def _listen_env(self, private: dict[int, int]) -> dict[str, str]:
        listen, own_network = self._config["listen"], self._namespaces.network
        told = {port["containerPort"]: port["containerPort"] for port in self._config["ports"]}
        numbers = (told if own_network else private) if listen == "port" else {}
        env = {f"PORT_{port}": str(number) for port, number in numbers.items()}
        if numbers:
            env["PORT"] = str(next(iter(numbers.values())))
        if private:
            env["PODYARD_PRIVATE_PORTS"] = " ".join(map(str, private.values()))
        if listen != "none":
            env["PODYARD_PORTS"] = " ".join(map(str, self._ports("TCP")))
            if not own_network:
                env["PODYARD_POD_IP"] = self._pod_ip
        return env

    def _ports(self, protocol: str) -> list[int]:
        return [port["containerPort"] for port in self._config["ports"] if port["protocol"] == protocol]

    def _await_ports(self, private: dict[int, int]) -> None:
        for port, private_port in private.items():
            if port in self._ports(
                "TCP"
            ):  # only once the program listens: a probe must not see what is not there
                self._wait("127.0.0.1", [private_port], self._forwarder("TCP", port, private_port))
            if port in self._ports("UDP"):
                self._forwarder("UDP", port, private_port)()
        if self._config["waitForPorts"]:
            self._deadline = self._loop.call_later(READY_SECONDS, self._running)
            self._wait(self._pod_ip, self._ports("TCP"), self._running)
        else:
            self._running()

    def _wait(self, address: str, ports: list[int], ready: Callable[[], None]) -> None:
        self._waits.append(PortWait(self._loop, address, ports, ready))

    def _forwarder(self, protocol: str, port: int, private_port: int) -> Callable[[], None]:
        def forward() -> None:
            target = ("127.0.0.1", private_port)
            try:
                self._forwards.append(open_forward(self._loop, protocol, (self._pod_ip, port), target))
            except OSError as error:  # the container runs on without it
                text = f"cannot listen on {self._pod_ip}:{port}/{protocol}: {error.strerror}"
                print(text, file=sys.stderr, flush=True)

        return forward

    def _running(self) -> None:
        if self._status is None and self.state["state"] == "created":
            if len(self._waits) and self._config["waitForPorts"]:
                self._waits.pop().cancel()
            self._set("started", state="running")

    def _close_ports(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        for wait in self._waits:
            wait.cancel()
        for forward in self._forwards:
            forward.close()
        self._forwards.clear()

    def _termination_message(self) -> str:
        try:
            with open(self._config["terminationLog"], "rb") as file:
                return file.read(MAX_MESSAGE_BYTES).decode("utf-8", "replace")
        except OSError:
            return ""

    def _set(self, change: str, **fields: object) -> None:
        self._save(**fields)
        self._changed(self, change)

    def _save(self, **fields: object) -> None:
        self.state.update(fields)
        path = f"{self._directory}/state.json"
        try:
            with open(path + ".new", "w", encoding="utf-8") as file:
                json.dump(self.state, file)
            os.replace(path + ".new", path)
        except OSError as error:  # a full disk: the kubelet still hears of it over the socket
            print(f"cannot write {path}: {error}", file=sys.stderr, flush=True)


def _cannot_start(why: str) -> StartError:
    return StartError(f"unable to start container process: {why}")


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        pass
