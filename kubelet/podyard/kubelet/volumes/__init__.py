"""A pod's volumes: places on the node that the runtime puts at a container's mountPath. The contract.

There are two sorts. *Content* (secret, configMap, downwardAPI, projected) is a set of small files that
are computed from objects and kept up to date: a module of that kind says in `needs` what it must know,
and in `files` what is to stand in the directory. Both are pure; `atomic_writer` brings the directory
there in one step. *Places* (emptyDir, hostPath) belong to the containers: they are made or checked
once and never looked at again.

    pod ──► pod_volumes.py ──► needs ──► object_cache.py, tokens.py (what is known now)
                          └──► files ──► atomic_writer.py            (what stands there)
    container ──► mounts.py: what is mounted where

A volume lives in POD/volumes/kubernetes.io~KIND/NAME, named as Kubernetes' kubelet names it, where
POD is DATA/kubelet/NODE/pods/UID: everybody who needs its path computes it from the pod alone. It is
there before the pod's sandbox is made, outlives containers and kubelets, and goes when the pod has ended.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

Object = dict[str, Any]


class VolumeError(Exception):
    """A volume cannot be made now; the text stands in the pod's FailedMount Event."""


class ContentError(VolumeError):
    """What the volume refers to is missing or does not fit; only a change of that can help."""


@dataclass(frozen=True, slots=True)
class File:
    """One file of a volume. `mode` holds its permission bits."""

    data: bytes
    mode: int


Files = dict[str, File]
"""What stands in a volume, by path relative to its root."""


@dataclass(frozen=True, slots=True)
class TokenSpec:
    """A token of the pod's ServiceAccount: for whom ("" for the apiserver) and for how long."""

    audience: str
    expiration_seconds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """What must be known to compute a volume's files; Secrets and ConfigMaps by name."""

    secrets: frozenset[str] = frozenset()
    config_maps: frozenset[str] = frozenset()
    tokens: frozenset[TokenSpec] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What is known: the pod, the objects of its namespace that exist, and its tokens.

    `allocatable` is the node's, which stands for limits that a container does not set.
    """

    pod: Object
    secrets: Mapping[str, Object] = field(default_factory=dict)
    config_maps: Mapping[str, Object] = field(default_factory=dict)
    tokens: Mapping[TokenSpec, str] = field(default_factory=dict)
    allocatable: Mapping[str, str] = field(default_factory=dict)


class Content(Protocol):
    """A kind of volume whose files are computed; implemented by a module. Pure."""

    def needs(self, source: Object) -> Needs:
        """What `files` will ask for. `source` is the volume's field of this kind."""

    def files(self, source: Object, inputs: Inputs) -> Files:
        """What is to stand in the volume. Raises ContentError."""
