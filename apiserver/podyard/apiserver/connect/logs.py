"""`kubectl logs`: a container's log, passed on as the kubelet sends it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import grpc.aio
from aiohttp import web

from podyard.api.errors import FieldError, invalid
from podyard.api.resources import Resource
from podyard.api.times import from_rfc3339
from podyard.apiserver.bodies import boolean, integer
from podyard.apiserver.connect.kubelets import Kubelets, refused
from podyard.apiserver.connect.target import choose_container, container_ref
from podyard.apiserver.lasting import Write, lasting_answer
from podyard.apiserver.longrunning import LongRunning
from podyard.proto.streaming_pb2 import LogsChunk, LogsRequest

Query = Mapping[str, str]
if TYPE_CHECKING:
    Call = grpc.aio.UnaryStreamCall[LogsRequest, LogsChunk]

_LOG_OPTIONS = Resource("", "v1", "pods", "PodLogOptions")  # what the errors are about


async def serve_log(
    request: web.Request,
    pod: Mapping[str, Any],
    kubelets: Kubelets,
    long_running: LongRunning,
    container: str = "",
) -> web.StreamResponse:
    """Answer with the log of a container (else the query names it), and go on with `follow`."""
    query = request.query
    options = log_options(query, pod["metadata"]["name"], time.time())
    container = choose_container(pod, container or query.get("container", ""))
    if not pod["spec"].get("nodeName"):
        return web.Response(text="")  # nothing has run, as kube-apiserver answers too
    options.container.CopyFrom(container_ref(pod, container))
    node = pod["spec"]["nodeName"]
    async with kubelets.of(pod) as kubelet:
        call = kubelet.Logs(options)
        try:
            first = await call.read()  # the answer begins when the kubelet has agreed
            async with lasting_answer(request, "text/plain", text=False) as (response, write):
                with long_running.track():
                    await _pass_on(call, first, write, node)
            return response
        except grpc.aio.AioRpcError as error:
            raise refused(error, node) from None
        finally:
            call.cancel()


async def _pass_on(call: Call, chunk: object, write: Write, node: str) -> None:
    try:
        while isinstance(chunk, LogsChunk):  # not EOF
            await write(chunk.data)
            chunk = await call.read()
    except grpc.aio.AioRpcError as error:
        await write(f"\n{refused(error, node).message}\n".encode())


def log_options(query: Query, pod: str, now: float) -> LogsRequest:
    """The query of a log request. Raises StatusError 422 as ValidatePodLogOptions does."""
    options = LogsRequest(
        follow=boolean(query, "follow"),
        previous=boolean(query, "previous"),
        timestamps=boolean(query, "timestamps"),
    )
    errors: list[FieldError] = []
    if "tailLines" in query:
        options.tail_lines = integer(query, "tailLines")
        if options.tail_lines < 0:
            errors.append(_not_below("tailLines", options.tail_lines, 0))
    if "limitBytes" in query:
        options.limit_bytes = integer(query, "limitBytes")
        if options.limit_bytes < 1:
            errors.append(_not_below("limitBytes", options.limit_bytes, 1))
    if "sinceSeconds" in query and "sinceTime" in query:
        why = "at most one of `sinceTime` or `sinceSeconds` may be specified"
        errors.append(FieldError("", "FieldValueForbidden", f"Forbidden: {why}"))
    if "sinceSeconds" in query:
        seconds = integer(query, "sinceSeconds")
        options.since_time = now - seconds
        if seconds < 1:
            errors.append(_not_below("sinceSeconds", seconds, 1))
    elif "sinceTime" in query:
        try:
            options.since_time = from_rfc3339(query["sinceTime"])
        except ValueError as error:
            message = f'Invalid value: "{query["sinceTime"]}": {error}'
            errors.append(FieldError("sinceTime", "FieldValueInvalid", message))
    if errors:
        raise invalid(_LOG_OPTIONS, pod, errors)
    return options


def _not_below(field: str, value: int, least: int) -> FieldError:
    message = f"Invalid value: {value}: must be greater than or equal to {least}"
    return FieldError(field, "FieldValueInvalid", message)
