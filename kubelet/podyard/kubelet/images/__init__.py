"""Images: names for ways to start a process. The contract is CRI's ImageService, as far as it applies.

Nothing is downloaded. A node knows a catalog of images (built in, and from --images-dir) that maps
references, by patterns, to an entrypoint, default arguments, environment and the way the program
learns its address. An absolute path to an executable file is an image too. So every image the
catalog knows is present on the machine (`image_status` finds it, imagePullPolicy Never works), and
`pull_image` is quick; a reference that nobody knows raises `ImageNotFound`.

The implementation is `catalog.ImageCatalog(directory, images_dir)`.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from podyard.kubelet.runtime import ContainerPort, ListenMode


class InvalidImageName(Exception):
    """The reference cannot be parsed (kubelet: reason InvalidImageName). The text is containerd's."""


class ImageNotFound(Exception):
    """Nobody knows the image (kubelet: ErrImagePull, ImagePullBackOff). The text lists the known ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image that is present, ready to be run."""

    id: str  # "sha256:…" of its definition: containerStatuses[].imageID
    reference: str  # normalised: "docker.io/library/nginx:latest": containerStatuses[].image
    size: int  # bytes of the definition and its programs
    entrypoint: tuple[str, ...] = ()
    command: tuple[str, ...] = ()  # default arguments
    env: Mapping[str, str] = field(default_factory=dict)  # under the pod's; may set PATH
    working_dir: str = "/"
    ports: tuple[ContainerPort, ...] = ()  # what it listens on when the pod declares no port
    listen: ListenMode = ListenMode.NONE
    wait_for_ports: bool = False
    stop_signal: str = "SIGTERM"
    stop_signal_blocked: bool = False  # its program begins so, and unblocks it once it has a handler
    host_paths: tuple[str, ...] = ()  # of the node, where its programs are
    description: str = ""


def resolve_command(image: Image, command: Sequence[str], args: Sequence[str]) -> list[str]:
    """The argument vector of a container.

    A pod's `command` replaces the image's entrypoint and default arguments, its `args` replace the
    default arguments alone (Kubernetes: "Define a Command and Arguments for a Container").
    """
    if command:
        return [*command, *args]
    return [*image.entrypoint, *(args or image.command)]


def runs_own_program(image: Image, command: Sequence[str]) -> bool:
    """Whether `command` starts what the image itself starts, and not, say, a shell in it."""
    own = resolve_command(image, (), ())
    return bool(command and own) and posixpath.basename(command[0]) == posixpath.basename(own[0])


class ImageService(Protocol):
    """What images there are on the node."""

    async def pull_image(self, reference: str) -> Image:
        """Make the image ready. Raises InvalidImageName, ImageNotFound."""

    async def image_status(self, reference: str) -> Image | None:
        """The image, ready, if it is present. Raises InvalidImageName."""

    def list_images(self) -> list[Image]:
        """One entry for each image of the catalog, for node.status.images."""
