"""The node's images: built-in definitions, those of --images-dir, and executables by absolute path."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import logging
import os
import sys
from pathlib import Path
from string import Template

from podyard.kubelet import shim
from podyard.kubelet.images import Image, ImageNotFound
from podyard.kubelet.images.definition import CatalogError, Definition, load
from podyard.kubelet.images.reference import Reference, parse
from podyard.kubelet.images.unpack import unpack
from podyard.kubelet.runtime import ListenMode
from podyard.kubelet.shim.spawn import DEFAULT_PATH

logger = logging.getLogger("kubelet.images")

BUILT_IN = Path(__file__).with_name("builtin.yaml")
PROGRAMS = Path(shim.__file__).parent.with_name("programs")
NODE_PATHS = (str(PROGRAMS), sys.prefix, sys.base_prefix)


class ImageCatalog:
    """The ImageService. Unpacked images (their commands, for PATH) live in `directory`.

    A definition of `images_dir`, a directory of *.yaml files or one such file, goes before a
    built-in one. Raises CatalogError when one of the files is wrong. Files that change later are read
    again when an image is asked for; while one of them is wrong, what was known before goes on.
    """

    def __init__(self, directory: Path, images_dir: Path | None = None) -> None:
        self._directory = directory
        self._images_dir = images_dir
        self._state = _catalog_state(images_dir)
        self._definitions = load([*_catalog_files(images_dir), BUILT_IN])
        self._problem = ""

    async def pull_image(self, reference: str) -> Image:
        """Make the image ready. Raises InvalidImageName, ImageNotFound."""
        if reference.startswith("/"):
            return self._executable(reference)
        parsed = parse(reference)
        self._look_again()
        for definition in self._definitions:
            if definition.has_repository(parsed):
                image = self._image(definition, parsed)
                if image is not None:
                    return image
        raise ImageNotFound(self._not_found(parsed))

    async def image_status(self, reference: str) -> Image | None:
        """The image if it is present. Raises InvalidImageName."""
        try:
            return await self.pull_image(reference)
        except ImageNotFound:
            return None

    def list_images(self) -> list[Image]:
        """One entry for each image of the catalog."""
        images = (self._image(definition, parse(definition.reference)) for definition in self._definitions)
        return [image for image in images if image is not None]

    def _look_again(self) -> None:
        state = _catalog_state(self._images_dir)
        if state == self._state:
            return
        self._state = state
        try:
            self._definitions = load([*_catalog_files(self._images_dir), BUILT_IN])
            self._problem = ""
        except CatalogError as error:
            self._problem = str(error)
            logger.warning("the changed image catalog cannot be used: %s", error)

    def _image(self, definition: Definition, reference: Reference) -> Image | None:
        """The image, unpacked, if the definition has the reference's tag and the image its digest."""
        if reference.tag and not definition.has_tag(reference.tag):
            return None
        values = _values(definition, definition.version_of(reference.tag))
        programs = {name: _fill(argv, values) for name, argv in definition.programs.items()}
        env = {key: Template(value).safe_substitute(values) for key, value in definition.env.items()}
        entrypoint, command = _fill(definition.entrypoint, values), _fill(definition.command, values)
        text = json.dumps(
            [definition.names, reference.tag, programs, env, entrypoint, command, definition.listen]
        )
        digest = hashlib.sha256(text.encode()).hexdigest()
        if reference.digest and reference.digest != f"sha256:{digest}":
            return None
        size = len(text)
        if programs:
            folder = self._directory / digest[:12] / "bin"
            size += unpack(folder, programs)
            env["PATH"] = f"{folder}:{env.get('PATH', DEFAULT_PATH)}"
        return Image(
            id=f"sha256:{digest}",
            reference=str(reference),
            size=size,
            entrypoint=entrypoint,
            command=command,
            env=env,
            working_dir=definition.working_dir,
            ports=definition.ports,
            listen=definition.listen,
            wait_for_ports=definition.wait_for_ports,
            stop_signal=definition.stop_signal,
            stop_signal_blocked=definition.stop_signal_blocked,
            host_paths=(str(self._directory), str(definition.directory), *NODE_PATHS, values["site"]),
            description=definition.description,
        )

    def _executable(self, path: str) -> Image:
        if not os.path.isfile(path) or not os.access(path, os.X_OK):
            raise ImageNotFound(f'failed to resolve reference "{path}": not an executable file on this node')
        info = os.stat(path)
        text = f"{path} {info.st_ino} {info.st_size} {info.st_mtime_ns}"
        return Image(
            id=f"sha256:{hashlib.sha256(text.encode()).hexdigest()}",
            reference=path,
            size=info.st_size,
            entrypoint=(path,),
            env={"PYTHONPATH": str(PROGRAMS / "python")},  # in case it is a Python program
            listen=ListenMode.PORT,
            wait_for_ports=True,
            host_paths=(os.path.dirname(path), path, *NODE_PATHS),
            description="an executable file of the node",
        )

    def _not_found(self, reference: Reference) -> str:
        why = "not found"
        if any(definition.has_repository(reference) for definition in self._definitions):
            what = f"digest {reference.digest}" if reference.digest else f"tag {reference.tag}"
            why = f"{what} not found"
        known = ", ".join(dict.fromkeys(definition.familiar for definition in self._definitions))
        text = (
            f'failed to resolve reference "{reference}": {why}; '
            f"this node knows the images {known}, and absolute paths of executable files"
        )
        return (
            f"{text}; its catalog has changed and cannot be used: {self._problem}" if self._problem else text
        )


def _catalog_files(images_dir: Path | None) -> list[Path]:
    if images_dir is None:
        return []
    if images_dir.is_file():
        return [images_dir]
    if not images_dir.is_dir():
        raise CatalogError(f"--images-dir {images_dir}: no such file or directory")
    return sorted([*images_dir.glob("*.yaml"), *images_dir.glob("*.yml")])


def _catalog_state(images_dir: Path | None) -> list[tuple[Path, int, int]]:
    """What tells a changed catalog from an unchanged one."""
    try:
        infos = [(path, path.stat()) for path in _catalog_files(images_dir)]
    except (CatalogError, OSError):
        return []
    return [(path, info.st_mtime_ns, info.st_size) for path, info in infos]


def _values(definition: Definition, version: str) -> dict[str, str]:
    """What `${…}` in a definition's strings stands for; anything else stays as it is."""
    aiohttp = importlib.util.find_spec("aiohttp")
    return {
        "dir": str(definition.directory),
        "programs": str(PROGRAMS),
        "python": sys.executable,
        "site": str(Path(aiohttp.origin).parents[1]) if aiohttp and aiohttp.origin else "",
        "version": version,
    }


def _fill(strings: tuple[str, ...], values: dict[str, str]) -> tuple[str, ...]:
    return tuple(Template(string).safe_substitute(values) for string in strings)
