"""Probes and lifecycle hooks of containers (core/validation)."""

from __future__ import annotations

from collections.abc import Callable

from podyard.api import names
from podyard.api.validation import formats
from podyard.api.validation.fields import (
    Errors,
    Object,
    forbidden,
    invalid,
    invalid_all,
    non_negative,
    not_supported,
    required,
)

_PROBE_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc")
_HOOK_HANDLERS = ("exec", "httpGet", "tcpSocket", "sleep")
# fmt: off
_STOP_SIGNALS = (
    "SIGABRT", "SIGALRM", "SIGBUS", "SIGCHLD", "SIGCLD", "SIGCONT", "SIGFPE", "SIGHUP", "SIGILL",
    "SIGINT", "SIGIO", "SIGIOT", "SIGKILL", "SIGPIPE", "SIGPOLL", "SIGPROF", "SIGPWR", "SIGQUIT",
    "SIGSEGV", "SIGSTKFLT", "SIGSTOP", "SIGSYS", "SIGTERM", "SIGTRAP", "SIGTSTP", "SIGTTIN",
    "SIGTTOU", "SIGURG", "SIGUSR1", "SIGUSR2", "SIGVTALRM", "SIGWINCH", "SIGXCPU", "SIGXFSZ",
    *("SIGRTMIN", *(f"SIGRTMIN+{number}" for number in range(1, 16))),
    *("SIGRTMAX", *(f"SIGRTMAX-{number}" for number in range(1, 15))),
)
# fmt: on
_NUMBERS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")


def probes(path: str, container: Object, grace: int | None, system: str) -> Errors:
    """The three probes of a container, and its lifecycle. `grace`, seconds, and `system` are the pod's."""
    if stop_signal := (container.get("lifecycle") or {}).get("stopSignal"):
        yield from _stop_signal(f"{path}.lifecycle.stopSignal", stop_signal, system)
    for hook in ("postStart", "preStop"):
        handler = (container.get("lifecycle") or {}).get(hook)
        if handler is not None:
            yield from _handler(f"{path}.lifecycle.{hook}", handler, _HOOK_HANDLERS, grace)
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        if (probe := container.get(name)) is not None:
            yield from _probe(f"{path}.{name}", probe, readiness=name == "readinessProbe")


def _stop_signal(path: str, stop_signal: str, system: str) -> Errors:
    """KEP-4960."""
    if not system:
        yield forbidden(path, "may not be set for containers with empty `spec.os.name`")
    elif stop_signal not in _STOP_SIGNALS:
        yield not_supported(path, stop_signal, _STOP_SIGNALS)


def _probe(path: str, probe: Object, *, readiness: bool) -> Errors:
    yield from _handler(path, probe, _PROBE_HANDLERS, None)
    for key in _NUMBERS:
        yield from non_negative(f"{path}.{key}", probe.get(key))
    grace_path, grace = f"{path}.terminationGracePeriodSeconds", probe.get("terminationGracePeriodSeconds")
    if grace is not None and grace <= 0:
        yield invalid(grace_path, grace, "must be greater than 0")
    if readiness:
        if grace is not None:
            yield invalid(grace_path, grace, "must not be set for readinessProbes")
    elif probe.get("successThreshold", 1) != 1:
        yield invalid(f"{path}.successThreshold", probe["successThreshold"], "must be 1")


def _handler(path: str, handler: Object, kinds: tuple[str, ...], grace: int | None) -> Errors:
    given = [kind for kind in kinds if handler.get(kind) is not None]
    if not given:
        yield required(path, "must specify a handler type")
        return
    at = f"{path}.{given[0]}"
    if given[0] == "sleep":
        yield from _sleep(at, handler["sleep"], grace)
    else:
        yield from _HANDLERS[given[0]](at, handler[given[0]])
    for other in given[1:]:
        yield forbidden(f"{path}.{other}", "may not specify more than 1 handler type")


def _exec(path: str, action: Object) -> Errors:
    if not action.get("command"):
        yield required(f"{path}.command")


def _http_get(path: str, action: Object) -> Errors:
    if not action.get("path"):
        yield required(f"{path}.path")
    yield from formats.port_or_name(f"{path}.port", action.get("port"))
    if action.get("scheme") not in ("HTTP", "HTTPS"):
        yield not_supported(f"{path}.scheme", action.get("scheme"), ("HTTP", "HTTPS"))
    for header in action.get("httpHeaders") or []:
        name = header.get("name") or ""
        yield from invalid_all(f"{path}.httpHeaders", name, names.is_http_header_name(name))


def _port(path: str, action: Object) -> Errors:
    yield from formats.port_or_name(f"{path}.port", action.get("port"))


def _sleep(path: str, action: Object, grace: int | None) -> Errors:
    seconds = action.get("seconds") or 0
    if grace is not None and not 0 <= seconds <= grace:
        detail = f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
        yield invalid(path, seconds, detail)


_HANDLERS: dict[str, Callable[[str, Object], Errors]] = {
    "exec": _exec,
    "httpGet": _http_get,
    "tcpSocket": _port,
    "grpc": _port,
}
