"""What is posted to a pod rather than stored: bindings and evictions."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import orjson

from podyard.api.errors import invalid, not_found
from podyard.api.resources import BINDINGS, PODS
from podyard.api.validation import validate_create
from podyard.apiserver.registry import Object, Stored, WriteOptions
from podyard.apiserver.registry.decoding import decode
from podyard.apiserver.registry.deletion import Deleter
from podyard.apiserver.registry.store import Store
from podyard.apiserver.registry.subresources import EVICTION, anything, bind, check_budgets
from podyard.apiserver.registry.writer import Writer
from podyard.process.clock import Clock

SUCCESS: Object = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


class PodPosts:
    """Both answer with a Success `Status`."""

    def __init__(self, store: Store, writer: Writer, deleter: Deleter, clock: Clock) -> None:
        self._store = store
        self._writer = writer
        self._deleter = deleter
        self._clock = clock
        self._evicting = asyncio.Lock()

    async def bind(self, namespace: str, name: str, obj: Object, options: WriteOptions) -> Stored:
        """Put a pod on a node. 409 when it is on one, or going."""
        binding = decode(BINDINGS, obj, options)
        own = binding.setdefault("metadata", {})
        name = name or own.get("name", "")
        own.setdefault("name", name)
        own.setdefault("namespace", namespace)
        if errors := validate_create(BINDINGS, binding):
            raise invalid(BINDINGS, name, errors)
        await self._writer.modify(
            PODS,
            namespace,
            name,
            lambda pod: bind(pod, binding, self._clock.now()),
            options,
            subresource="binding",
            prepare=anything,
            validate=False,
        )
        return Stored(namespace, name, self._store.cacher.revision, orjson.dumps(SUCCESS))

    async def evict(self, namespace: str, name: str, obj: Object, options: WriteOptions) -> Stored:
        """Delete a pod, unless a PodDisruptionBudget wants it: 429."""
        eviction = decode(EVICTION, obj, options)
        delete_options = eviction.get("deleteOptions") or {}
        if delete_options.get("dryRun"):
            options = replace(options, dry_run=True)
        async with self._evicting:  # the next one sees what this one has taken of the budget
            pod = self._store.lookup("pods", namespace, name)
            if pod is None:
                raise not_found(PODS, name)
            budgets = self._store.objects("poddisruptionbudgets.policy", namespace)
            pods = self._store.objects("pods", namespace)
            check_budgets(pod, budgets, pods, self._store.lookup)
            await self._deleter.delete(PODS, namespace, name, delete_options, options)
        return Stored(namespace, name, self._store.cacher.revision, orjson.dumps(SUCCESS))
