"""Evicting pods, and waiting until they are gone (k8s.io/kubectl pkg/drain/drain.go)."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from podyard.kubectl.durations import go_duration
from podyard.kubectl.errors import ApiError, CommandError, raise_all
from podyard.kubectl.finder import Info
from podyard.kubectl.printers import dry_run
from podyard.kubectl.printers.name import name_line
from podyard.kubectl.session import Session
from podyard.kubectl.writing import Writer

RETRY_SECONDS = 5.0
"""After a PodDisruptionBudget has refused."""

POLL_SECONDS = 0.2

TOO_MANY = 429


@dataclass(slots=True)
class _Pod:
    """One pod on its way out; `again` is when to try, `evicted` that the server has agreed."""

    info: Info
    uid: str
    again: float = 0.0
    evicted: bool = False
    gone: bool = False


class Eviction:
    """Evicts pods together; with --disable-eviction it deletes them, past every budget."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._deleting = bool(session["disable-eviction"])
        self._grace = int(session["grace-period"])
        self._strategy = dry_run(session)
        self._resource = session.discovery.find("pods")

    def run(self, pods: list[dict[str, Any]]) -> None:
        """Return when all are gone. Raises CommandError."""
        timeout = float(self._session["timeout"])
        end = time.monotonic() + timeout if timeout else float("inf")
        left = [self._begin(pod) for pod in pods]
        errors: list[CommandError] = []
        while left:
            for pod in left:
                try:
                    self._advance(pod)
                except CommandError as error:
                    errors.append(error)
                    pod.gone = True
            left = [pod for pod in left if not pod.gone]
            if left and time.monotonic() > end:
                raise CommandError(f"drain did not complete within {go_duration(timeout)}")
            if left:
                time.sleep(POLL_SECONDS)
        raise_all(errors)

    def _begin(self, pod: dict[str, Any]) -> _Pod:
        metadata = pod["metadata"]
        name, namespace = metadata["name"], metadata.get("namespace", "")
        if not self._deleting:
            suffix = " (server dry run)" if self._strategy == "server" else ""
            self._session.out(f"evicting pod {namespace}/{name}{suffix}\n")
        return _Pod(Info(self._resource, namespace, name, pod), metadata.get("uid", ""))

    def _advance(self, pod: _Pod) -> None:
        if not pod.evicted:
            if time.monotonic() >= pod.again:
                self._evict(pod)
        elif self._strategy == "server" or self._is_gone(pod):
            pod.gone = True
            if self._strategy != "server":
                word = "deleted" if self._deleting else "evicted"
                self._session.out(name_line(pod.info.object, word))

    def _evict(self, pod: _Pod) -> None:
        info = pod.info
        try:
            self._send(info)
            pod.evicted = True
        except ApiError as error:
            where = f'pods/"{info.name}" -n "{info.namespace}"'
            if error.not_found:
                pod.evicted = True
            elif error.http_code == TOO_MANY:
                self._session.err(f"error when evicting {where} (will retry after 5s): {error}\n")
                pod.again = time.monotonic() + RETRY_SECONDS
            else:
                raise CommandError(f"error when evicting {where}: {error}") from None

    def _send(self, info: Info) -> None:
        options = {"gracePeriodSeconds": self._grace} if self._grace >= 0 else {}
        if self._deleting:
            Writer(self._session, self._strategy).delete(info, options)
            return
        if self._strategy == "server":
            options["dryRun"] = ["All"]  # type: ignore[assignment]
        eviction = {
            "apiVersion": "policy/v1",
            "kind": "Eviction",
            "metadata": {"name": info.name, "namespace": info.namespace},
            **({"deleteOptions": options} if options else {}),
        }
        path = info.resource.path(info.namespace, info.name, "eviction")
        self._session.transport.json("POST", path, body=eviction)

    def _is_gone(self, pod: _Pod) -> bool:
        try:
            found = self._session.transport.json("GET", pod.info.path)
        except ApiError as error:
            if error.not_found:
                return True
            raise
        return bool(pod.uid) and found["metadata"].get("uid") != pod.uid
