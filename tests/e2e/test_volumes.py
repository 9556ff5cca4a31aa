"""Volumes, as programs in pods find them at their mountPath."""

from __future__ import annotations

import json
import ssl
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

from tests.e2e.harness import Namespace, eventually, http

UNTIL_TOLD = "trap exit TERM; until rm /shared/end; do sleep 0.1; done 2>/dev/null"
"""What the pods' program does; a file in a volume makes it end."""


def apply_pod(
    namespace: Namespace, name: str, volumes: str, mounts: str, *, ready: bool = True, more: str = ""
) -> None:
    """A busybox pod with these volumes, YAML lists in flow style."""
    namespace.apply(
        f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}, labels: {{app: {name}, zone: eu}}}}\n"
        f"spec:\n  terminationGracePeriodSeconds: 1\n  volumes: {volumes}\n  containers:\n"
        f'  - {{name: main, image: busybox, command: [sh, -c, "{UNTIL_TOLD}"], volumeMounts: {mounts}}}\n'
        f"{more}"
    )
    if ready:
        namespace.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=30s")


def read(namespace: Namespace, pod: str, path: str) -> str:
    """A file as the pod's program sees it; empty when it is not there."""
    return namespace.kubectl("exec", pod, "--", "cat", path, ok=False).out


def run_in(namespace: Namespace, pod: str, script: str) -> str:
    """What a shell in the pod prints."""
    return namespace.kubectl("exec", pod, "--", "sh", "-c", script).out.strip()


def events(namespace: Namespace, pod: str) -> list[str]:
    """The messages of a pod's FailedMount Events."""
    items = namespace.json("events", "--field-selector", f"involvedObject.name={pod}")["items"]
    return [event["message"] for event in items if event["reason"] == "FailedMount"]


def make_certificate(directory: Path) -> tuple[Path, Path]:
    """A self-signed certificate for my-nginx, as the tutorial makes it."""
    cert, key = directory / "nginx.crt", directory / "nginx.key"
    command = "openssl req -x509 -nodes -days 2 -newkey rsa:2048 -subj /CN=my-nginx/O=my-nginx"
    subprocess.run(
        [*command.split(), "-keyout", str(key), "-out", str(cert)], check=True, capture_output=True
    )
    return cert, key


def test_a_secret_makes_nginx_speak_tls(namespace: Namespace, tmp_path: Path) -> None:
    cert, key = make_certificate(tmp_path)
    namespace.apply(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: secure}\nspec:\n"
        "  volumes: [{name: secret-volume, secret: {secretName: nginxsecret}}]\n"
        "  containers:\n  - name: nginxhttps\n    image: bprashanth/nginxhttps:1.0\n"
        "    ports: [{containerPort: 443}, {containerPort: 80}]\n"
        "    volumeMounts: [{mountPath: /etc/nginx/ssl, name: secret-volume}]\n"
    )
    wanted = 'MountVolume.SetUp failed for volume "secret-volume" : secret "nginxsecret" not found'
    eventually(lambda: wanted in events(namespace, "secure"))

    def waits_for() -> str:
        (container,) = namespace.json("pod", "secure")["status"]["containerStatuses"]
        return str(container["state"]["waiting"]["reason"])

    assert eventually(waits_for) == "ContainerCreating"
    namespace.kubectl(
        "create", "secret", "generic", "nginxsecret", f"--from-file={cert}", f"--from-file={key}"
    )
    namespace.kubectl("wait", "--for=condition=Ready", "pod/secure", "--timeout=30s")
    ip = namespace.json("pod", "secure")["status"]["podIP"]
    context = ssl.create_default_context(cafile=str(cert))
    context.check_hostname = False
    with urllib.request.urlopen(f"https://{ip}", context=context, timeout=5) as reply:
        assert b"Welcome to nginx!" in reply.read()
    assert http(f"http://{ip}")[0] == 200
    assert read(namespace, "secure", "/etc/nginx/ssl/nginx.crt") == cert.read_text()
    assert run_in(namespace, "secure", "ls /etc/nginx/ssl") == "nginx.crt\nnginx.key"
    assert "Read-only" in namespace.kubectl("exec", "secure", "--", "touch", "/etc/nginx/ssl/x", ok=False).err


def test_updates_of_a_config_map_appear_but_not_in_a_sub_path(namespace: Namespace) -> None:
    namespace.kubectl("create", "configmap", "settings", "--from-literal=colour=blue")
    volumes = "[{name: settings, configMap: {name: settings}}]"
    mounts = (
        "[{name: settings, mountPath: /etc/settings},"
        " {name: settings, mountPath: /etc/app/colour.conf, subPath: colour}]"
    )
    apply_pod(namespace, "follows", volumes, mounts)
    for path in ("/etc/settings/colour", "/etc/app/colour.conf"):
        assert read(namespace, "follows", path) == "blue"
    namespace.kubectl("patch", "configmap", "settings", "-p", json.dumps({"data": {"colour": "red"}}))
    eventually(lambda: read(namespace, "follows", "/etc/settings/colour") == "red")
    assert read(namespace, "follows", "/etc/app/colour.conf") == "blue"


def test_items_modes_and_optional_sources(namespace: Namespace) -> None:
    namespace.kubectl("create", "secret", "generic", "keys", "--from-literal=a=1", "--from-literal=b=2")
    volumes = (
        "[{name: keys, secret: {secretName: keys, defaultMode: 0400,"
        " items: [{key: a, path: deep/er/a}, {key: b, path: b, mode: 0640}]}},"
        " {name: maybe, configMap: {name: nowhere, optional: true}}]"
    )
    mounts = "[{name: keys, mountPath: /keys}, {name: maybe, mountPath: /maybe}]"
    apply_pod(namespace, "modes", volumes, mounts)
    assert run_in(namespace, "modes", "stat -L -c '%a %n' /keys/deep/er/a /keys/b") == (
        "400 /keys/deep/er/a\n640 /keys/b"
    )
    assert run_in(namespace, "modes", "ls /maybe") == ""
    namespace.kubectl("create", "configmap", "nowhere", "--from-literal=now=here")
    eventually(lambda: read(namespace, "modes", "/maybe/now") == "here")


def test_containers_share_an_empty_dir_until_their_pod_ends(namespace: Namespace) -> None:
    web = "{name: web, image: nginx, volumeMounts: [{name: shared, mountPath: /usr/share/nginx/html}]}"
    volumes = "[{name: shared, emptyDir: {}}, {name: memory, emptyDir: {medium: Memory}}]"
    mounts = "[{name: shared, mountPath: /shared}, {name: memory, mountPath: /memory}]"
    apply_pod(namespace, "shares", volumes, mounts, more=f"  - {web}\n")
    run_in(namespace, "shares", "echo hello > /shared/index.html")
    ip = namespace.json("pod", "shares")["status"]["podIP"]
    assert http(f"http://{ip}/") == (200, "hello\n")
    run_in(namespace, "shares", "echo kept > /memory/file; touch /shared/end")
    eventually(lambda: restarts(namespace, "shares", "main") == 1)
    namespace.kubectl("wait", "--for=condition=Ready", "pod/shares", "--timeout=30s")
    assert [read(namespace, "shares", f"/{path}") for path in ("shared/index.html", "memory/file")] == [
        "hello\n",
        "kept\n",
    ]
    uid = namespace.json("pod", "shares")["metadata"]["uid"]
    nodes = namespace.cluster.home / ".podyard" / namespace.cluster.name / "kubelet"
    assert len(list(nodes.glob(f"*/pods/{uid}"))) == 1
    namespace.kubectl("delete", "pod", "shares")
    assert list(nodes.glob(f"*/pods/{uid}")) == []
    assert uid not in Path("/proc/self/mounts").read_text()


def restarts(namespace: Namespace, pod: str, container: str) -> int:
    statuses = namespace.json("pod", pod)["status"]["containerStatuses"]
    return next(int(status["restartCount"]) for status in statuses if status["name"] == container)


def test_host_paths(namespace: Namespace, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("from the node")
    made, late = tmp_path / "made", tmp_path / "late"
    volumes = (
        f"[{{name: made, hostPath: {{path: {made}, type: DirectoryOrCreate}}}},"
        f" {{name: file, hostPath: {{path: {tmp_path}/file, type: File}}}}]"
    )
    mounts = (
        "[{name: made, mountPath: /work, subPathExpr: $(WHERE)}, {name: file, mountPath: /etc/the-file},"
        " {name: made, mountPath: /ro, readOnly: true}], env: [{name: WHERE, value: sub}]"
    )
    apply_pod(namespace, "host", volumes, mounts)
    assert read(namespace, "host", "/etc/the-file") == "from the node"
    run_in(namespace, "host", "echo from the pod > /work/out")
    assert (made / "sub/out").read_text() == "from the pod\n"
    assert read(namespace, "host", "/ro/sub/out") == "from the pod\n"
    assert namespace.kubectl("exec", "host", "--", "touch", "/ro/x", ok=False).code != 0
    volumes = f"[{{name: late, hostPath: {{path: {late}, type: Directory}}}}]"
    apply_pod(namespace, "waits", volumes, "[{name: late, mountPath: /late}]", ready=False)
    problem = f"hostPath type check failed: {late} is not a directory"
    eventually(
        lambda: f'MountVolume.SetUp failed for volume "late" : {problem}' in events(namespace, "waits")
    )


def test_what_a_pod_is_told_of_itself(namespace: Namespace) -> None:
    field = "fieldRef: {fieldPath: metadata.labels}"
    volumes = (
        f"[{{name: info, downwardAPI: {{items: [{{path: labels, {field}}}]}}}},"
        " {name: all, projected: {sources: [{serviceAccountToken: {path: token, audience: vault}},"
        " {configMap: {name: kube-root-ca.crt}},"
        " {downwardAPI: {items: [{path: namespace, fieldRef: {fieldPath: metadata.namespace}}]}}]}}]"
    )
    apply_pod(namespace, "told", volumes, "[{name: info, mountPath: /info}, {name: all, mountPath: /all}]")
    assert read(namespace, "told", "/info/labels") == 'app="told"\nzone="eu"'
    assert read(namespace, "told", "/all/namespace") == namespace.name
    assert read(namespace, "told", "/all/ca.crt").startswith("-----BEGIN CERTIFICATE-----")
    claims = payload(read(namespace, "told", "/all/token"))
    assert (claims["aud"], claims["kubernetes.io"]["pod"]["name"]) == (["vault"], "told")
    assert claims["sub"] == f"system:serviceaccount:{namespace.name}:default"
    namespace.kubectl("label", "pod", "told", "zone=us", "--overwrite")
    eventually(lambda: 'zone="us"' in read(namespace, "told", "/info/labels"))


def payload(token: str) -> dict[str, Any]:
    """The claims of a JSON web token."""
    import base64

    return dict(json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "==")))


def test_volumes_that_no_node_can_mount(namespace: Namespace) -> None:
    volumes = "[{name: share, nfs: {server: nas, path: /}}]"
    apply_pod(namespace, "nfs", volumes, "[{name: share, mountPath: /x}]", ready=False)
    eventually(lambda: any("cannot mount volumes of type nfs" in text for text in events(namespace, "nfs")))
