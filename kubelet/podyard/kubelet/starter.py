"""Starting one container: image, configuration, creation, start, postStart (kuberuntime startContainer)."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from podyard.api.errors import StatusError
from podyard.api.resources import CONFIGMAPS, SECRETS, Resource
from podyard.client.client import Client
from podyard.kubelet import security
from podyard.kubelet.env import EnvError, Sources, expand_all, make_environment, references
from podyard.kubelet.hooks import HookError, run_hook
from podyard.kubelet.images import Image, resolve_command, runs_own_program
from podyard.kubelet.isolation import VOLUMES_EVENT, unmounted
from podyard.kubelet.pod_events import PodEvents
from podyard.kubelet.pulling import ImagePuller, StartFailure
from podyard.kubelet.runtime import (
    ContainerConfig,
    ContainerPort,
    ContainerRuntime,
    PodSandbox,
    RuntimeFailure,
    StartError,
)
from podyard.kubelet.spec import HASH_ANNOTATION, container_hash
from podyard.kubelet.tasks import to_the_end
from podyard.kubelet.volumes import VolumeError
from podyard.kubelet.volumes.node_volumes import NodeVolumes
from podyard.process.clock import Clock

Object = dict[str, Any]

TERMINATION_MESSAGE_PATH = "/dev/termination-log"

logger = logging.getLogger("kubelet")


@dataclass(frozen=True, slots=True)
class PodAddresses:
    """The pod's and its node's addresses."""

    pod_ips: tuple[str, ...]
    host_ips: tuple[str, ...]


class ContainerStarter:
    """Starts containers of any pod of the node.

    `services` gives the Services that are known; `volumes` says what a container mounts;
    `allocatable` is what the node has.
    """

    def __init__(
        self,
        client: Client,
        runtime: ContainerRuntime,
        puller: ImagePuller,
        services: Callable[[], Iterable[Object]],
        volumes: NodeVolumes,
        allocatable: Mapping[str, str],
        clock: Clock,
    ) -> None:
        self._client = client
        self._runtime = runtime
        self._puller = puller
        self._services = services
        self._volumes = volumes
        self._allocatable = allocatable
        self._clock = clock
        self._own = security.Own.of_this_process()

    async def start(
        self,
        pod: Object,
        container: Object,
        attempt: int,
        sandbox: PodSandbox,
        where: PodAddresses,
        events: PodEvents,
    ) -> None:
        """Start the container for the (`attempt` + 1)th time. Raises StartFailure."""
        name = container["name"]
        image = await self._puller.ensure(pod, container, events)
        config = await self._configure(pod, container, attempt, image, where, events)
        try:
            container_id = await self._runtime.create_container(sandbox.id, config)
        except RuntimeFailure as error:
            events.warning("Failed", f"Error: {error}", name)
            raise StartFailure("CreateContainerError", str(error)) from None
        events.normal("Created", "Container created", name)
        # The pod may be deleted at any moment; what has been started is told all the same.
        await to_the_end(self._run(pod, name, container_id, events))
        await self._runtime.until_serving(container_id)
        await self._post_start(container, container_id, where, events)

    async def _run(self, pod: Object, name: str, container_id: str, events: PodEvents) -> None:
        try:
            await self._runtime.start_container(container_id)
        except StartError as error:
            events.warning("Failed", f"Error: {error}", name)
            raise StartFailure("RunContainerError", str(error), 0.0) from None
        except RuntimeFailure as error:
            logger.warning("container %s of %s: %s", name, pod["metadata"]["name"], error)
            raise StartFailure("RunContainerError", str(error)) from None
        events.normal("Started", "Container started", name)

    async def _configure(
        self,
        pod: Object,
        container: Object,
        attempt: int,
        image: Image,
        where: PodAddresses,
        events: PodEvents,
    ) -> ContainerConfig:
        name = container["name"]
        try:
            env = await self._environment(pod, container, where)
            mounts = self._volumes.mounts(pod, container, env)
        except (EnvError, StatusError, VolumeError) as error:
            events.warning("Failed", f"Error: {error}", name)
            raise StartFailure("CreateContainerConfigError", str(error)) from None
        features = await self._runtime.features()
        if refused := security.refusal(pod, container, self._own, features):
            events.warning("Failed", f"Error: {refused}", name)
            raise StartFailure("CreateContainerConfigError", refused)
        config = container_config(container, attempt, image, env)
        ports = (port.container_port for port in config.ports)
        config = replace(
            config, mounts=mounts, security=security.container_security(pod, container, ports, features)
        )
        if attempt == 0 and (missing := unmounted(mounts, features)):
            events.warning(VOLUMES_EVENT, missing, name)
        if not config.command:
            events.warning("Failed", "Error: no command specified", name)
            raise StartFailure("CreateContainerError", "no command specified")
        return config

    async def _environment(self, pod: Object, container: Object, where: PodAddresses) -> dict[str, str]:
        namespace = pod["metadata"]["namespace"]
        config_maps, secrets = references(container)
        sources = Sources(
            services=self._services(),
            config_maps=await self._fetch(CONFIGMAPS, namespace, config_maps),
            secrets=await self._fetch(SECRETS, namespace, secrets),
            pod_ips=where.pod_ips,
            host_ips=where.host_ips,
            allocatable=self._allocatable,
        )
        return make_environment(pod, container, sources)

    async def _fetch(self, resource: Resource, namespace: str, names: set[str]) -> dict[str, Object]:
        found = {}
        for name in sorted(names):
            try:
                found[name] = await self._client.get(resource, name, namespace)
            except StatusError as error:
                if error.code != 404:
                    raise
        return found

    async def _post_start(
        self, container: Object, container_id: str, where: PodAddresses, events: PodEvents
    ) -> None:
        hook = (container.get("lifecycle") or {}).get("postStart")
        if not hook:
            return
        name = container["name"]
        try:
            await run_hook(self._runtime, self._clock, container, container_id, where.pod_ips[0], hook)
        except HookError as error:
            events.warning("FailedPostStartHook", "PostStartHook failed", name)
            events.normal("Killing", "FailedPostStartHook", name)
            await self._runtime.stop_container(container_id, 2.0)
            raise StartFailure("PostStartHookError", f"PostStartHook failed: {error}", 0.0) from None


def container_config(
    container: Object, attempt: int, image: Image, env: Mapping[str, str]
) -> ContainerConfig:
    """What the runtime is told to run. `env` is the pod's part of the environment. Pure."""
    name = container["name"]
    declared = tuple(
        ContainerPort(container_port=int(port["containerPort"]), protocol=port.get("protocol") or "TCP")
        for port in container.get("ports") or ()
    )
    command = resolve_command(
        image, expand_all(container.get("command"), env), expand_all(container.get("args"), env)
    )
    own_program = runs_own_program(image, command)
    return ContainerConfig(
        name=name,
        image=image.reference,
        image_id=image.id,
        command=command,
        attempt=attempt,
        env={**image.env, **env},
        working_dir=container.get("workingDir") or image.working_dir,
        log_path=f"{name}/{attempt}.log",
        tty=bool(container.get("tty")),
        stdin=bool(container.get("stdin")),
        stdin_once=bool(container.get("stdinOnce")),
        # As in Kubernetes a declared port informs and does not configure: an image that knows its
        # ports listens on those; for any other, what the pod declares is all there is to know.
        ports=image.ports or declared,
        listen=image.listen,
        wait_for_ports=image.wait_for_ports and (bool(declared) or own_program),
        stop_signal=(container.get("lifecycle") or {}).get("stopSignal") or image.stop_signal,
        stop_signal_blocked=image.stop_signal_blocked and own_program,
        host_paths=[path for path in image.host_paths if path],
        termination_message_path=container.get("terminationMessagePath") or TERMINATION_MESSAGE_PATH,
        annotations={HASH_ANNOTATION: container_hash(container)},
    )
