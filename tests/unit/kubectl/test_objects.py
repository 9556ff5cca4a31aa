"""Objects from files, and where they are on the server."""

from __future__ import annotations

import contextlib
import socket
import threading
from pathlib import Path

import pytest

from podyard.kubectl import kubeconfig, manifests
from podyard.kubectl.discovery import Resource
from podyard.kubectl.errors import CommandError
from podyard.kubectl.finder import Info
from podyard.kubectl.identity import impersonation
from podyard.kubectl.kubeconfig import Target
from podyard.kubectl.transport import BrokenStreamError, Transport

CONFIG_MAPS = Resource("", "v1", "configmaps", "ConfigMap")
HEAD = "apiVersion: v1\nkind: ConfigMap\n"
ONE = HEAD + "metadata: {name: %s}\n"


def test_an_object_without_a_name_is_not_its_collection() -> None:
    """Or `delete -f` of one would delete all."""
    assert Info(CONFIG_MAPS, "ns", "a").path == "/api/v1/namespaces/ns/configmaps/a"
    with pytest.raises(CommandError, match="resource name may not be empty"):
        _ = Info(CONFIG_MAPS, "ns", "").path


def test_files_and_directories(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text(ONE % "b" + "---\n# nothing\n---\n" + ONE % "c")
    (tmp_path / "a.json").write_text('{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"}}')
    (tmp_path / "note.txt").write_text("no object")
    (tmp_path / "inner").mkdir()
    listed = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: ConfigMap, metadata: {name: d}}\n"
    (tmp_path / "inner" / "d.yml").write_text(listed)

    def names(filename: str, recursive: bool = False) -> list[str]:
        return [obj["metadata"]["name"] for _, obj in manifests.read([filename], recursive)]

    assert names(str(tmp_path)) == ["a", "b", "c"]
    assert names(str(tmp_path), recursive=True) == ["a", "b", "c", "d"]
    assert names(str(tmp_path / "*.yaml")) == ["b", "c"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[1]", "cannot unmarshal array"),
        ("a: b: c", "yaml: line 1: mapping values are not allowed"),
        ("kind: ConfigMap", "Object 'apiVersion' is missing in"),
        ("apiVersion: v1", "Object 'Kind' is missing in"),
        ("a: *nothing", "yaml: line 1: "),
        ("apiVersion: v1\nkind: 5", 'Object \'Kind\' is missing in \'{"apiVersion":"v1","kind":5}\''),
        (
            "apiVersion: 1\nkind: A",
            "cannot unmarshal number into Go struct field metadataOnlyObject.apiVersion",
        ),
        (ONE % "a" + "metadata: foo", "already set"),
        (
            HEAD + "metadata: foo",
            "unmarshal string into Go struct field metadataOnlyObject.metadata of type v1.",
        ),
        (
            HEAD + "metadata: [a]",
            "cannot unmarshal array into Go struct field metadataOnlyObject.metadata of",
        ),
        (HEAD + "metadata: {name: 5}", "number into Go struct field ObjectMeta.metadata.name of type string"),
        (HEAD + "metadata: {name: 0}", "number into Go struct field ObjectMeta.metadata.name of type string"),
        (
            HEAD + "metadata: {labels: []}",
            "unmarshal array into Go struct field ObjectMeta.metadata.labels of",
        ),
        (
            "apiVersion: v1\nkind: List\nitems: foo",
            "unmarshal string into Go struct field decodeList.items of",
        ),
        ("apiVersion: v1\nkind: List\nitems: [foo]", "cannot unmarshal string into Go value of type map"),
        ("apiVersion: v1\nkind: List\nitems: [null]", "Object 'Kind' is missing in '{}'"),
        ('{"a": ' + "[" * 9999, "exceeded maximum nesting depth"),
        (HEAD + "metadata: {labels: {x: 5}}", "struct field ObjectMeta.metadata.labels of type string"),
        (
            HEAD + "metadata: {annotations: a}",
            "field ObjectMeta.metadata.annotations of type map[string]string",
        ),
    ],
)
def test_what_is_no_object(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "x.yaml"
    file.write_text(text)
    with pytest.raises(CommandError) as raised:
        list(manifests.read([str(file)]))
    assert problem in str(raised.value)


def test_a_list_may_have_no_items(tmp_path: Path) -> None:
    file = tmp_path / "x.yaml"
    file.write_text("apiVersion: v1\nkind: List\nitems: null\n")
    assert list(manifests.read([str(file)])) == []


def test_what_json_does_not_know_is_text_in_yaml(tmp_path: Path) -> None:
    file = tmp_path / "x.json"
    file.write_text('{"apiVersion": "v1", "kind": "ConfigMap", "data": {"x": NaN}}')
    ((_, document),) = manifests.read([str(file)])
    assert document["data"] == {"x": "NaN"}


@pytest.mark.parametrize(
    ("user", "headers"),
    [
        ({}, {}),
        ({"as": "jane"}, {"Impersonate-User": "jane"}),
        (
            {"as": "jane", "as-uid": "7", "as-groups": ["dev"]},
            {"Impersonate-User": "jane", "Impersonate-Uid": "7", "Impersonate-Group": "dev"},
        ),
    ],
)
def test_impersonation(user: dict[str, object], headers: dict[str, str]) -> None:
    assert impersonation(user) == headers


@pytest.mark.parametrize("user", [{"as-groups": ["dev"]}, {"as": "jane", "as-groups": ["a", "b"]}])
def test_impersonation_that_is_refused(user: dict[str, object]) -> None:
    with pytest.raises(CommandError):
        impersonation(user)


@pytest.mark.parametrize(
    ("server", "problem"),
    [
        ("https://127.0.0.1:{port}", "The connection to the server 127.0.0.1:{port} was refused"),
        ("127.0.0.1:{port}", "The connection to the server 127.0.0.1:{port} was refused"),
        ("https://127.0.0.1:x", 'host must be a URL or a host:port pair: "https://127.0.0.1:x"'),
        ("https://[::1", 'host must be a URL or a host:port pair: "https://[::1"'),
        ("ftp://127.0.0.1", 'unsupported protocol scheme "ftp"'),
        ("https://nothing.invalid", "lookup nothing.invalid: no such host"),
    ],
)
def test_servers_that_do_not_answer(server: str, problem: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        with pytest.raises(CommandError) as raised:
            Transport(Target({"server": server.format(port=port)}, {})).json("GET", "/version")
    assert problem.format(port=port) in str(raised.value)


@pytest.mark.parametrize(
    ("cluster", "user", "problem"),
    [
        (
            {"certificate-authority": "{dir}"},
            {},
            "unable to read certificate-authority {dir}: is a directory",
        ),
        (
            {"certificate-authority": "{dir}/none"},
            {},
            "unable to read certificate-authority {dir}/none: no such file or directory",
        ),
        (
            {"certificate-authority-data": "&&&"},
            {},
            "unable to read certificate-authority-data: illegal base64 data",
        ),
        (
            {"certificate-authority-data": "aGVsbG8="},
            {},
            "unable to load root certificates: there is no certificate in PEM form",
        ),
        ({}, {"client-certificate": "{dir}"}, "unable to read client-certificate {dir}: is a directory"),
        ({}, {"client-key": "{dir}"}, "unable to read client-key {dir}: is a directory"),
        (
            {},
            {"client-certificate-data": "aGVsbG8="},
            "client-key-data or client-key must be specified to use a client certificate",
        ),
        (
            {},
            {"client-certificate-data": "aGVsbG8=", "client-key-data": "aGVsbG8="},
            "unable to use the client certificate and its key: [SSL] PEM lib",
        ),
        ({}, {"tokenFile": "{dir}"}, "unable to read tokenFile {dir}: is a directory"),
        ({}, {"token": "a\nb"}, 'net/http: invalid header field value for "Authorization"'),
        ({}, {"as": "\u20ac"}, 'net/http: invalid header field value for "Impersonate-User"'),
        ({"proxy-url": "http://p"}, {}, "proxy-url http://p: connections through a proxy are not supported"),
    ],
)
def test_certificates_and_tokens_that_cannot_be_used(
    tmp_path: Path, cluster: dict[str, str], user: dict[str, str], problem: str
) -> None:
    places = [{key: text.format(dir=tmp_path) for key, text in one.items()} for one in (cluster, user)]
    with pytest.raises(CommandError) as raised:
        Transport(Target({"server": "https://127.0.0.1:1", **places[0]}, places[1])).json("GET", "/version")
    assert str(raised.value).partition(" (")[0] == problem.format(dir=tmp_path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{.items[*]}", "yaml: line 1: "),
        ("- a", "it is no kubeconfig"),
        ("kind: Pod", "it is no kubeconfig: its kind is Pod, and not Config"),
        ("apiVersion: v9", "it is no kubeconfig: its apiVersion is v9, and not v1"),
        ("clusters: foo", "json: cannot unmarshal string into Go struct field Config.clusters of type array"),
        ("users: [5]", "json: cannot unmarshal number into Go struct field Config.users of type object"),
        (
            "contexts: [null]",
            "json: cannot unmarshal null into Go struct field Config.contexts of type object",
        ),
        (
            "clusters: [{cluster: {server: 5}}]",
            "number into Go struct field Config.clusters.cluster.server of",
        ),
        (
            "users: [{user: {exec: {args: a}}}]",
            "string into Go struct field Config.users.user.exec.args of type",
        ),
        ("current-context: [a]", "array into Go struct field Config.current-context of type string"),
        (b"\xff\xfe\x00", "no text in UTF-8"),
        (None, "read {path}: is a directory"),
    ],
)
def test_unreadable_kubeconfigs(tmp_path: Path, content: str | bytes | None, problem: str) -> None:
    path = tmp_path / "config"
    if content is None:
        path.mkdir()
    else:
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CommandError) as raised:
        kubeconfig.load(str(path))
    assert str(raised.value).startswith(f'error loading config file "{path}": ')
    assert problem.format(path=path) in str(raised.value)


@pytest.mark.parametrize(
    ("sent", "lines", "whole"),
    [
        (b"5\r\na\nb\nc\r\n1\r\n\n\r\n0\r\n\r\n", [b"a\n", b"b\n", b"c\n"], True),
        (b"3\r\na\nb\r\n0\r\n\r\n", [b"a\n", b"b"], True),
        (b"4\r\na\nb\n\r\n", [b"a\n", b"b\n"], False),
        (b"9\r\na\nb", [b"a\n"], False),
    ],
)
def test_an_answer_that_breaks_off_is_no_whole_one(sent: bytes, lines: list[bytes], whole: bool) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + sent)

        server = threading.Thread(target=serve)
        server.start()
        seen = []
        transport = Transport(Target({"server": f"http://127.0.0.1:{port}"}, {}))
        broken = pytest.raises(BrokenStreamError, match="unexpected EOF")
        with contextlib.nullcontext() if whole else broken, transport.stream("/") as stream:
            for line in stream:
                seen.append(line)
        server.join()
        assert seen == lines
