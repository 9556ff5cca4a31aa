"""Answering with the OpenAPI documents."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import Callable
from email.utils import formatdate
from functools import partial
from time import time

import orjson
from aiohttp import web

from podyard.apiserver.answers import answer_object
from podyard.apiserver.negotiate import not_acceptable
from podyard.apiserver.openapi import gnostic, v2, v3

_YEAR_SECONDS = 365 * 24 * 3600
_V2_HASH = v3.document_hash("v2")
_V2_PROTOBUF_HASH = v3.document_hash("v2 protobuf")
_V2_MEDIA = (gnostic.MEDIA_TYPE, "application/json", "application/*", "*/*")


def _v2_protobuf() -> bytes:
    return gnostic.encode(v2.document())


def _v3_json(path: str) -> bytes:
    return orjson.dumps(v3.document(path))


class OpenApiHandlers:
    """The handlers of /openapi/v2 and /openapi/v3."""

    def __init__(self) -> None:
        self._cache: dict[str, asyncio.Future[bytes]] = {}
        self.paths = {"/openapi/v2": self.v2, "/openapi/v3": self.v3_index}
        for path in v3.document_paths():
            self.paths[f"/openapi/v3/{path}"] = self.v3_document

    async def v2(self, request: web.Request) -> web.StreamResponse:
        """The whole API in OpenAPI 2.0, as protobuf to whoever asks for that first, else as JSON."""
        media = [clause.split(";")[0].strip() for clause in request.headers.get("Accept", "*/*").split(",")]
        chosen = next((m for m in media if m in _V2_MEDIA), None)
        if chosen is None:
            raise not_acceptable()
        if chosen == gnostic.MEDIA_TYPE:
            response = await self._answer(request, "v2 protobuf", _v2_protobuf, _V2_PROTOBUF_HASH)
            response.headers["Content-Type"] = gnostic.CONTENT_TYPE
            return response
        return await self._answer(request, "v2", lambda: orjson.dumps(v2.document()), _V2_HASH)

    async def v3_index(self, request: web.Request) -> web.StreamResponse:
        """Which OpenAPI 3.0 documents there are, each with the hash of its present edition."""
        return answer_object(request, v3.index())

    async def v3_document(self, request: web.Request) -> web.StreamResponse:
        """One OpenAPI 3.0 document. With its hash in the query, clients may keep it for a year."""
        path = request.path.strip("/").removeprefix("openapi/v3/")
        current = v3.document_hash(path)
        asked = request.query.get("hash")
        if asked and asked != current:
            raise web.HTTPMovedPermanently(f"/openapi/v3/{path}?hash={current}")
        response = await self._answer(request, path, partial(_v3_json, path), current)
        if asked:
            response.headers["Cache-Control"] = "public, immutable"
            response.headers["Expires"] = formatdate(time() + _YEAR_SECONDS, usegmt=True)
        else:
            response.headers["Cache-Control"] = "no-cache, private"
        return response

    async def _answer(
        self, request: web.Request, key: str, make: Callable[[], bytes], edition: str
    ) -> web.Response:
        headers = {"ETag": f'"{edition}"', "Vary": "Accept-Encoding, Accept"}
        if edition in request.headers.get("If-None-Match", ""):
            return web.Response(status=304, headers=headers)
        packed = await self._packed(key, make)
        headers["Content-Type"] = "application/json"
        if "gzip" in request.headers.get("Accept-Encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return web.Response(body=packed, headers=headers)
        return web.Response(body=gzip.decompress(packed), headers=headers)

    async def _packed(self, key: str, make: Callable[[], bytes]) -> bytes:
        """The compressed document, made once, away from the event loop: it takes a while."""
        if key not in self._cache:
            loop = asyncio.get_running_loop()
            self._cache[key] = loop.run_in_executor(None, lambda: gzip.compress(make(), 6))
        return await asyncio.shield(self._cache[key])
