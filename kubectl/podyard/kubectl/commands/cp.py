"""kubectl cp. Source: k8s.io/kubectl pkg/cmd/cp."""

from __future__ import annotations

import os
import posixpath
import tarfile
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from podyard.kubectl.commands import Command
from podyard.kubectl.copying import pack, unpack
from podyard.kubectl.errors import CommandError
from podyard.kubectl.podfinder import CONTAINER_FLAG, choose_container
from podyard.kubectl.session import Session
from podyard.kubectl.streaming import Streams, run_stream


@dataclass(frozen=True, slots=True)
class Spec:
    """A place: of a pod, or here when `pod` is empty."""

    namespace: str
    pod: str
    path: str


def parse_spec(text: str) -> Spec:
    """`PATH`, `POD:PATH` or `NAMESPACE/POD:PATH`. Raises CommandError."""
    where, colon, path = text.partition(":")
    if not colon:
        return Spec("", "", text)
    if not where:
        raise CommandError("filespec must match the canonical format: [[namespace/]pod:]file/path")
    parts = where.split("/")
    if len(parts) > 2:
        return Spec("", "", text)
    return Spec(parts[0] if len(parts) == 2 else "", parts[-1], path)


def run(session: Session) -> int:
    """Copy to or from a container."""
    if len(session.args) != 2:
        raise CommandError("source and destination are required")
    source, target = map(parse_spec, session.args)
    if source.pod and target.pod:
        raise CommandError("one of src or dest must be a local file specification")
    if not source.pod and not target.pod:
        raise CommandError("one of src or dest must be a remote file specification")
    if not source.path or not target.path:
        raise CommandError("filepath can not be empty")
    if source.pod:
        _download(session, source, Path(target.path))
    else:
        _upload(session, Path(source.path), target)
    return 0


def _execute(session: Session, spec: Spec, command: list[str], streams: Streams) -> None:
    """Run a command in the pod; raises when it fails."""
    namespace = spec.namespace or session.namespace
    path = f"/api/v1/namespaces/{namespace}/pods/{spec.pod}"
    pod = session.transport.json("GET", path)
    container = choose_container(session, pod, session["container"])
    code = run_stream(session, namespace, spec.pod, "exec", container, command, streams)
    if code:
        raise CommandError(f"command terminated with exit code {code}", code)


def _download(session: Session, source: Spec, target: Path) -> None:
    path = posixpath.normpath(source.path)
    reading, writing = os.pipe()

    def fetch() -> None:
        with os.fdopen(writing, "wb") as out:
            _execute(session, source, ["tar", "cf", "-", source.path], Streams(output=out))

    with os.fdopen(reading, "rb") as archive, _beside(fetch):
        try:
            unpack(archive, path.lstrip("/"), target, session.err)
        except tarfile.ReadError:
            pass  # the container's tar has said what is wrong
        while archive.read(65536):
            pass


def _upload(session: Session, source: Path, target: Spec) -> None:
    if not source.exists():
        raise CommandError(f"{source} doesn't exist in local filesystem")
    path = posixpath.normpath(target.path)
    if _is_directory(session, target):
        path = posixpath.join(path, source.resolve().name)
    folder, name = posixpath.split(path)
    command = ["tar", "-xmf", "-", *(["-C", folder] if folder else [])]
    reading, writing = os.pipe()

    def send() -> None:
        with os.fdopen(writing, "wb") as out:
            pack(source, name, out)

    with os.fdopen(reading, "rb") as archive, _beside(send):
        _execute(session, target, command, Streams(stdin=True, input=archive))


def _is_directory(session: Session, target: Spec) -> bool:
    try:
        _execute(session, target, ["test", "-d", target.path], Streams())
    except CommandError:
        return False  # whatever else is wrong is said when it is copied to
    return True


class _beside:
    """Runs a function in a thread while the block runs; what it raises is raised at the end."""

    def __init__(self, act: Callable[[], None]) -> None:
        self._act = act
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        try:
            self._act()
        except Exception as error:  # raised again by the thread that waits
            self._error = error

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self._thread.join(timeout=5 if kind else None)
        if self._error is not None and (kind is None or isinstance(self._error, CommandError)):
            raise self._error


COMMAND = Command(
    "cp <file-spec-src> <file-spec-dest>",
    "Copy files and directories to and from containers; the container must have `tar`",
    run,
    (CONTAINER_FLAG,),
    "kubectl cp /tmp/foo my-pod:/tmp/bar\nkubectl cp my-namespace/my-pod:/tmp/foo /tmp/bar",
)
