"""References, catalog files, and what the node makes of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from podyard.kubelet.images import Image, ImageNotFound, InvalidImageName, resolve_command
from podyard.kubelet.images.catalog import ImageCatalog
from podyard.kubelet.images.definition import CatalogError
from podyard.kubelet.images.reference import parse
from podyard.kubelet.runtime import ContainerPort, ListenMode

DIGEST = "sha256:" + "0" * 64


@pytest.fixture
def catalog(tmp_path: Path) -> ImageCatalog:
    return ImageCatalog(tmp_path / "images")


@pytest.mark.parametrize(
    ("text", "normalised"),
    [
        ("nginx", "docker.io/library/nginx:latest"),
        ("nginx:1.25", "docker.io/library/nginx:1.25"),
        ("library/nginx", "docker.io/library/nginx:latest"),
        ("docker.io/nginx", "docker.io/library/nginx:latest"),
        ("index.docker.io/library/nginx", "docker.io/library/nginx:latest"),
        ("bprashanth/nginxhttps:1.0", "docker.io/bprashanth/nginxhttps:1.0"),
        ("registry.k8s.io/pause:3.9", "registry.k8s.io/pause:3.9"),
        ("localhost/a", "localhost/a:latest"),
        ("localhost:5000/a/b:v1", "localhost:5000/a/b:v1"),
        (f"nginx@{DIGEST}", f"docker.io/library/nginx@{DIGEST}"),
        (f"nginx:1.25@{DIGEST}", f"docker.io/library/nginx:1.25@{DIGEST}"),
    ],
)
def test_references(text: str, normalised: str) -> None:
    assert str(parse(text)) == normalised


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("Nginx", "invalid reference format: repository name (library/Nginx) must be lowercase"),
        ("a/B", "invalid reference format: repository name (a/B) must be lowercase"),
        ("", "invalid reference format"),
        ("nginx:", "invalid reference format"),
        ("nginx:a b", "invalid reference format"),
        ("nginx@sha256:12", "invalid reference format"),
        ("-x", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("a" * 256, "invalid reference format"),
    ],
)
async def test_names_that_cannot_be(catalog: ImageCatalog, text: str, why: str) -> None:
    with pytest.raises(InvalidImageName) as error:
        await catalog.pull_image(text)
    assert str(error.value) == f'couldn\'t parse image name "{text}": {why}'


NGINX_TAGS = [
    "latest",
    "stable",
    "mainline",
    "alpine",
    "perl",
    "stable-alpine",
    "mainline-alpine-slim",
    "alpine3.20",
    "bookworm",
    "1",
    "1.7",
    "1.7.9",
    "1.9.1",
    "1.14.2",
    "1.16.1",
    "1.25",
    "1.25-alpine",
    "1.27.3-alpine3.20-perl",
    "1.27-bookworm-perl",
    "1.29.3",
]


@pytest.mark.parametrize("tag", NGINX_TAGS)
async def test_nginx_tags(catalog: ImageCatalog, tag: str) -> None:
    image = await catalog.pull_image(f"nginx:{tag}")
    assert image.reference == f"docker.io/library/nginx:{tag}"


@pytest.mark.parametrize(
    "tag", ["1.161", "1.91", "1.2", "2", "lates", "1.25.", "1.25-alpin", "v1.25", "1.25.300"]
)
async def test_tags_that_nginx_does_not_have(catalog: ImageCatalog, tag: str) -> None:
    message = f'failed to resolve reference "docker.io/library/nginx:{tag}": tag {tag} not found'
    with pytest.raises(ImageNotFound) as error:
        await catalog.pull_image(f"nginx:{tag}")
    assert str(error.value).startswith(message)
    assert await catalog.image_status(f"nginx:{tag}") is None


async def test_an_unknown_image_says_what_is_known(catalog: ImageCatalog) -> None:
    with pytest.raises(ImageNotFound) as error:
        await catalog.pull_image("ngnix")
    assert str(error.value) == (
        'failed to resolve reference "docker.io/library/ngnix:latest": not found; this node knows the images '
        "nginx, bprashanth/nginxhttps:1.0, radial/busyboxplus:curl, busybox, curlimages/curl, "
        "registry.k8s.io/pause, python, and absolute paths of executable files"
    )


@pytest.mark.parametrize(
    ("reference", "version"),
    [
        ("nginx", "1.29.3"),
        ("nginx:1.25", "1.25"),
        ("nginx:1.14.2-alpine", "1.14.2"),
        ("nginx:alpine", "1.29.3"),
    ],
)
async def test_the_tag_names_the_version(catalog: ImageCatalog, reference: str, version: str) -> None:
    assert (await catalog.pull_image(reference)).env["NGINX_VERSION"] == version


async def test_nginx_in_full(catalog: ImageCatalog) -> None:
    image = await catalog.pull_image("nginx")
    assert image.entrypoint == () and image.command == ("nginx", "-g", "daemon off;")
    assert (image.listen, image.wait_for_ports) == (ListenMode.ADDRESS, True)
    assert image.ports == (ContainerPort(container_port=80),)
    assert (image.stop_signal, image.stop_signal_blocked) == ("SIGQUIT", True)
    assert image.id.startswith("sha256:") and image.size > 500
    program = Path(image.env["PATH"].split(":")[0]) / "nginx"
    assert program.stat().st_mode & 0o111


async def test_ids_tell_images_apart_and_are_stable(catalog: ImageCatalog, tmp_path: Path) -> None:
    first = await catalog.pull_image("nginx:1.25")
    assert (await ImageCatalog(tmp_path / "images").pull_image("nginx:1.25")).id == first.id
    assert (await catalog.pull_image("nginx:1.26")).id != first.id


async def test_a_digest_must_be_the_images(catalog: ImageCatalog) -> None:
    image = await catalog.pull_image("nginx:1.25")
    assert (await catalog.pull_image(f"nginx:1.25@{image.id}")).id == image.id
    with pytest.raises(ImageNotFound, match=f"digest {DIGEST} not found"):
        await catalog.pull_image(f"nginx:1.25@{DIGEST}")


async def test_an_executable_is_an_image(catalog: ImageCatalog, tmp_path: Path) -> None:
    file = tmp_path / "serve"
    file.write_text("#!/bin/sh\n")
    with pytest.raises(ImageNotFound, match=f'"{file}": not an executable file on this node'):
        await catalog.pull_image(str(file))
    file.chmod(0o755)
    image = await catalog.pull_image(str(file))
    assert (image.reference, image.entrypoint, image.listen) == (str(file), (str(file),), ListenMode.PORT)
    assert image.size == file.stat().st_size


@pytest.mark.parametrize(
    ("command", "args", "expected"),
    [
        ([], [], ["entry", "default"]),
        ([], ["a", "b"], ["entry", "a", "b"]),
        (["x"], [], ["x"]),
        (["x"], ["a"], ["x", "a"]),
    ],
)
def test_command_and_args(command: list[str], args: list[str], expected: list[str]) -> None:
    image = Image(id="", reference="", size=0, entrypoint=("entry",), command=("default",))
    assert resolve_command(image, command, args) == expected


OWN = """
images:
  - name: example.com/team/*
    tags: ["v*", /\\d+/]
    entrypoint: [serve, --root, "${dir}/www"]
    env: { VERSION: "${version}", MONEY: "$5" }
    ports: [8080, 53/UDP]
    listen: port
    waitForPorts: true
    stopSignal: SIGINT
    workingDir: /tmp
    programs: { serve: ["${dir}/serve.sh"] }
  - name: nginx
    tags: [latest]
    command: [mine]
"""


async def test_a_directory_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "a.yaml").write_text(OWN)
    catalog = ImageCatalog(tmp_path / "images", tmp_path / "own")
    image = await catalog.pull_image("example.com/team/web:v1")
    assert image.entrypoint == ("serve", "--root", f"{tmp_path}/own/www")
    assert (image.env["VERSION"], image.env["MONEY"]) == ("", "$5")
    assert image.ports == (
        ContainerPort(container_port=8080),
        ContainerPort(container_port=53, protocol="UDP"),
    )
    assert (image.listen, image.stop_signal, image.working_dir) == (ListenMode.PORT, "SIGINT", "/tmp")
    assert (await catalog.pull_image("example.com/team/web:12")).env["VERSION"] == "12"
    assert (await catalog.pull_image("nginx")).command == ("mine",)  # before the built-in one
    assert (await catalog.pull_image("nginx:1.25")).command == ("nginx", "-g", "daemon off;")
    with pytest.raises(ImageNotFound, match=r"example\.com/team/"):
        await catalog.pull_image("example.com/team/web")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nope", 'expected a list "images"'),
        ("images: [1]", r"images\[0\]: expected a mapping"),
        ("images: [{tags: [a]}]", r"images\[0\]: name: required"),
        ("images: [{name: a, entrypoints: [b]}]", r'images\[0\]: unknown field "entrypoints"'),
        ("images: [{name: a}, {name: b, command: x}]", r"images\[1\]: command: expected a list"),
        ("images: [{name: a, stopSignal: SIGX}]", 'stopSignal: unknown signal "SIGX"'),
        ("images: [{name: a, stopSignal: SIGRTMIN+99}]", r'unknown signal "SIGRTMIN\+99"'),
        ("images: [{name: a, stopSignal: SIGTERM+1}]", r'unknown signal "SIGTERM\+1"'),
        ("images: [{name: a, ports: [80/SCTPX]}]", 'ports: "80/SCTPX" is not a port'),
        ("images: [{name: a, listen: loud}]", "'loud' is not a valid ListenMode"),
        ("images: [{name: A}]", "must be lowercase"),
        ("images: [", "while parsing"),
    ],
)
def test_a_wrong_file_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "a.yaml"
    file.write_text(text)
    with pytest.raises(CatalogError, match=message) as error:
        ImageCatalog(tmp_path / "images", file)
    assert str(error.value).startswith(f"{file}: ")


async def test_files_that_change_are_read_again(tmp_path: Path) -> None:
    own = tmp_path / "own"
    own.mkdir()
    catalog = ImageCatalog(tmp_path / "images", own)
    with pytest.raises(ImageNotFound):
        await catalog.pull_image("example.com/web")
    file = own / "web.yaml"
    file.write_text("images:\n  - {name: example.com/web, entrypoint: [serve]}\n")
    assert (await catalog.pull_image("example.com/web")).entrypoint == ("serve",)
    file.write_text("images:\n  - {name: example.com/web, entrypoint: serve}\n")
    assert (await catalog.pull_image("example.com/web")).entrypoint == ("serve",)
    with pytest.raises(ImageNotFound, match=r"web\.yaml: images\[0\]: entrypoint: expected a list$"):
        await catalog.pull_image("example.com/other")
    file.unlink()
    with pytest.raises(ImageNotFound, match=r"executable files$"):
        await catalog.pull_image("example.com/web")


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="no such file or directory"):
        ImageCatalog(tmp_path / "images", tmp_path / "nope")


def test_the_list_for_the_nodes_status(catalog: ImageCatalog) -> None:
    assert [image.reference for image in catalog.list_images()] == [
        "docker.io/library/nginx:latest",
        "docker.io/bprashanth/nginxhttps:1.0",
        "docker.io/radial/busyboxplus:curl",
        "docker.io/library/busybox:latest",
        "docker.io/curlimages/curl:latest",
        "registry.k8s.io/pause:latest",
        "docker.io/library/python:latest",
    ]
