"""Making a container's image present, by its pull policy (pkg/kubelet/images/image_manager.go)."""

from __future__ import annotations

from typing import Any

from podyard.kubelet.backoff import Backoff
from podyard.kubelet.durations import go_duration
from podyard.kubelet.images import Image, ImageNotFound, ImageService, InvalidImageName
from podyard.kubelet.pod_events import PodEvents
from podyard.kubelet.status import Problem
from podyard.process.clock import Clock

Object = dict[str, Any]


class StartFailure(Exception):
    """A container could not be started; `problem` is what its status shows.

    `retry_seconds` is when to try again; None: soon at first, then ever later.
    """

    def __init__(self, reason: str, message: str, retry_seconds: float | None = None) -> None:
        super().__init__(f"{reason}: {message}")
        self.problem = Problem(reason, message)
        self.retry_seconds = retry_seconds


SHOW_ERROR_SECONDS = 2.0
"""How long a failed pull shows as ErrImagePull before it shows as ImagePullBackOff."""


class ImagePuller:
    """Gets images for the pods of a node; remembers which pulls failed, to wait before the next."""

    def __init__(self, images: ImageService, clock: Clock) -> None:
        self._images = images
        self._clock = clock
        self._backoff = Backoff()
        self._failures: dict[tuple[str, str], tuple[float, str]] = {}  # (pod uid, image) → (when, error)

    def forget(self, uid: str) -> None:
        """The pod is gone."""
        self._backoff.forget(uid)
        for key in [key for key in self._failures if key[0] == uid]:
            del self._failures[key]

    async def ensure(self, pod: Object, container: Object, events: PodEvents) -> Image:
        """The container's image, ready. Raises StartFailure; Events are recorded in either case."""
        name, reference = container["name"], container.get("image", "")
        policy = container.get("imagePullPolicy") or "IfNotPresent"
        try:
            present = await self._images.image_status(reference)
        except InvalidImageName as error:
            message = f'Failed to apply default image tag "{reference}": {error}'
            events.warning("InspectFailed", message, name)
            events.warning("Failed", "Error: InvalidImageName", name)
            raise StartFailure("InvalidImageName", message) from None
        if present is not None and policy != "Always":
            text = f'Container image "{reference}" already present on machine and can be accessed by the pod'
            events.normal("Pulled", text, name)
            return present
        if policy == "Never":
            message = f'Container image "{reference}" is not present with pull policy of Never'
            events.warning("ErrImageNeverPull", message, name)
            events.warning("Failed", "Error: ErrImageNeverPull", name)
            raise StartFailure("ErrImageNeverPull", message)
        return await self._pull(pod, name, reference, events)

    async def _pull(self, pod: Object, name: str, reference: str, events: PodEvents) -> Image:
        key = (pod["metadata"]["uid"], reference)
        now = self._clock.now()
        when, why = self._failures.get(key, (0.0, ""))
        if (left := self._backoff.remaining(key, when, now)) > 0:
            message = f'Back-off pulling image "{reference}"'
            events.normal("BackOff", message, name)
            events.warning("Failed", "Error: ImagePullBackOff", name)
            raise StartFailure("ImagePullBackOff", f"{message}: ErrImagePull: {why}", left)
        events.normal("Pulling", f'Pulling image "{reference}"', name)
        try:
            image = await self._images.pull_image(reference)
        except (ImageNotFound, InvalidImageName) as error:
            events.warning("Failed", f'Failed to pull image "{reference}": {error}', name)
            events.warning("Failed", "Error: ErrImagePull", name)
            self._failures[key] = (self._clock.now(), str(error))
            self._backoff.grow(key, now, self._clock.now())
            raise StartFailure("ErrImagePull", str(error), SHOW_ERROR_SECONDS) from None
        took = go_duration(self._clock.now() - now)
        events.normal(
            "Pulled",
            f'Successfully pulled image "{reference}" in {took} ({took} including waiting). '
            f"Image size: {image.size} bytes.",
            name,
        )
        self._failures.pop(key, None)
        return image
