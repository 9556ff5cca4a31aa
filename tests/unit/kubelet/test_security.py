"""What a securityContext asks for, and what of it a node can do."""

from __future__ import annotations

from typing import Any

import pytest

from podyard.kubelet.runtime import ContainerSecurity, Features, capabilities
from podyard.kubelet.security import Own, container_security, effective, pod_warning, refusal
from tests.unit.kubelet.pods import UID, container, pod

ROOT, ORDINARY = Own(0, 0), Own(1001, 1001)
ONE = Features(user=True, users="one")
REFUSED = Features(mount_problem="unshare: not permitted", users="own", capabilities=0)
WHERE = f'(pod: "p_default({UID})", container: web)'
NONE_LEFT = {"capabilities": {"drop": ["ALL"]}}


def subject(of_pod: dict[str, Any], of_container: dict[str, Any], **spec: Any) -> tuple[Any, Any]:
    """A pod and its container."""
    one = container("web", securityContext=of_container)
    whole = pod(one)
    whole["spec"] |= {"securityContext": of_pod, **spec}
    return whole, one


def test_the_container_wins() -> None:
    found = effective(*subject({"runAsUser": 1, "runAsGroup": 2}, {"runAsUser": 0, "runAsGroup": None}))
    assert found == {"runAsUser": 0, "runAsGroup": 2}


IMAGE_IS_ROOT = f"container has runAsNonRoot and image will run as root {WHERE}"
BREAKS = f"container's runAsUser breaks non-root policy {WHERE}"


@pytest.mark.parametrize(
    ("of_pod", "of_container", "own", "features", "text"),
    [
        ({}, {}, ROOT, Features(), ""),
        ({"runAsNonRoot": True}, {}, ROOT, Features(), IMAGE_IS_ROOT),
        ({"runAsNonRoot": True}, {}, ROOT, ONE, IMAGE_IS_ROOT),
        ({"runAsNonRoot": True}, {"runAsNonRoot": False}, ROOT, Features(), ""),
        ({"runAsUser": 5}, {"runAsNonRoot": True}, ROOT, Features(), ""),
        ({"runAsUser": 5}, {"runAsNonRoot": True}, ROOT, ONE, ""),
        ({"runAsNonRoot": True, "runAsUser": 5}, {"runAsUser": 0}, ROOT, Features(), BREAKS),
        ({"runAsNonRoot": True, "runAsUser": 0}, {}, ORDINARY, REFUSED, BREAKS),
        ({"runAsNonRoot": True}, {}, ORDINARY, ONE, ""),  # it does not run as root
        (
            {"runAsNonRoot": True, "runAsUser": 5},
            {},
            ROOT,
            REFUSED,
            f"container has runAsNonRoot and will run as root, as this node cannot run it as 5 {WHERE}",
        ),
    ],
)
def test_who_must_not_be_root(
    of_pod: Any, of_container: Any, own: Own, features: Features, text: str
) -> None:
    assert refusal(*subject(of_pod, of_container), own, features) == text


@pytest.mark.parametrize(
    ("context", "features", "expected"),
    [
        ({}, Features(), None),
        ({}, ONE, None),
        ({"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}, Features(), None),
        ({"allowPrivilegeEscalation": True, "readOnlyRootFilesystem": False}, Features(), None),
        ({"runAsUser": 5}, Features(), ContainerSecurity(user=5, group=0, groups=())),
        ({"runAsUser": 0}, Features(), ContainerSecurity(user=0, group=0, groups=())),
        (
            {"runAsUser": 5, "runAsGroup": 6, "supplementalGroups": [7, 8], "fsGroup": 7},
            Features(),
            ContainerSecurity(user=5, group=6, groups=(7, 8)),
        ),
        ({"fsGroup": 9, "supplementalGroups": [8]}, Features(), ContainerSecurity(groups=(8, 9))),
        ({"runAsGroup": 6}, Features(), ContainerSecurity(group=6)),
        (
            {"runAsUser": 5, "supplementalGroups": [7]},
            ONE,
            ContainerSecurity(user=5, group=0, mapped=True),
        ),
        ({"supplementalGroups": [7]}, ONE, None),
        ({"runAsUser": 5, "fsGroup": 7, "readOnlyRootFilesystem": True}, REFUSED, None),
        (
            {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True},
            Features(),
            ContainerSecurity(no_new_privileges=True, read_only_root=True),
        ),
        ({"allowPrivilegeEscalation": False}, REFUSED, ContainerSecurity(no_new_privileges=True)),
        (NONE_LEFT, Features(), ContainerSecurity(capabilities=0)),
        (NONE_LEFT, REFUSED, None),
        ({"privileged": True, **NONE_LEFT}, Features(), ContainerSecurity(devices=True)),
        ({"privileged": True}, ONE, None),
    ],
)
def test_as_whom_it_runs(context: Any, features: Features, expected: ContainerSecurity | None) -> None:
    assert container_security(*subject({}, context), [8080], features) == expected


@pytest.mark.parametrize(
    ("add", "drop", "expected"),
    [
        (["NET_ADMIN"], [], capabilities.DEFAULT | 1 << 12),
        (["CAP_NET_ADMIN"], ["ALL"], 1 << 12),
        ([], ["NET_RAW"], capabilities.DEFAULT & ~(1 << 13)),
        (["ALL"], ["NET_RAW", "CHOWN"], capabilities.ALL & ~(1 << 13) & ~1),
        (["CHOWN", "NONE_SUCH"], ["ALL"], 1),
    ],
)
def test_capabilities(add: list[str], drop: list[str], expected: int) -> None:
    context = {"capabilities": {"add": add, "drop": drop}}
    found = container_security(*subject({}, context), [], Features())
    assert found is not None
    assert found.capabilities == expected


@pytest.mark.parametrize(
    ("ports", "spec", "expected"),
    [([8080], {}, False), ([8080, 80], {}, True), ([80], {"hostNetwork": True}, False), ([], {}, False)],
)
def test_low_ports(ports: list[int], spec: dict[str, Any], expected: bool) -> None:
    found = container_security(*subject({"runAsUser": 5}, {}, **spec), ports, Features())
    assert found is not None
    assert found.low_ports is expected


NO_GROUPS = "containers have one group in a user namespace"
NOTHING = "nothing here acts on it"


@pytest.mark.parametrize(
    ("of_pod", "of_container", "own", "features", "text"),
    [
        ({}, {}, ORDINARY, REFUSED, ""),
        ({"runAsUser": 5, "fsGroup": 6}, {"privileged": True}, ROOT, Features(), ""),
        ({"runAsUser": 5, "runAsGroup": 6}, NONE_LEFT, ORDINARY, ONE, ""),
        ({"supplementalGroups": []}, {}, ORDINARY, ONE, ""),
        ({"fsGroup": 1001, "runAsUser": 1001}, {}, ORDINARY, REFUSED, ""),
        (
            {"supplementalGroups": [5], "fsGroup": 6},
            {},
            ROOT,
            ONE,
            f"supplementalGroups, fsGroup ({NO_GROUPS})",
        ),
        (
            {"runAsUser": 5, "fsGroup": 6},
            {"readOnlyRootFilesystem": True},
            ORDINARY,
            REFUSED,
            "runAsUser, fsGroup, readOnlyRootFilesystem (unshare: not permitted)",
        ),
        ({}, {"privileged": True}, ROOT, ONE, "privileged (the kubelet is not root of the node)"),
        (
            {},
            {"capabilities": {"add": ["SYS_TIME", "CHOWN", "FOO"]}},
            ROOT,
            Features(capabilities=1),
            "capabilities.add SYS_TIME (the kubelet does not have it); "
            "capabilities.add FOO (there is no such)",
        ),
        ({"runAsUser": 5}, {"capabilities": {"add": ["SYS_TIME"]}}, ROOT, Features(capabilities=1), ""),
        ({"seccompProfile": {"type": "RuntimeDefault"}}, {"procMount": "Default"}, ROOT, Features(), ""),
        ({"appArmorProfile": {"type": "Unconfined"}}, {"windowsOptions": {}}, ROOT, Features(), ""),
        (
            {"sysctls": [{"name": "a", "value": "b"}], "seLinuxOptions": {"level": "s0"}},
            {"procMount": "Unmasked", "seccompProfile": {"type": "Localhost", "localhostProfile": "f"}},
            ROOT,
            Features(),
            f"seLinuxOptions, seccompProfile, procMount, sysctls ({NOTHING})",
        ),
    ],
)
def test_what_a_pod_is_warned_of(
    of_pod: Any, of_container: Any, own: Own, features: Features, text: str
) -> None:
    expected = f"Not all of the securityContext holds on this node: {text}" if text else ""
    whole, one = subject(of_pod, of_container)
    whole["spec"]["initContainers"] = [one]  # told once
    assert pod_warning(whole, own, features) == expected
