"""The REST application: the handler chain, and what it ends in."""

from __future__ import annotations

from aiohttp import web

from podyard.apiserver import chain
from podyard.apiserver.bodies import MAX_BODY_BYTES
from podyard.apiserver.context import RestConfig
from podyard.apiserver.dispatch import Dispatcher
from podyard.apiserver.longrunning import LongRunning
from podyard.apiserver.registry import Registry


def make_app(registry: Registry, config: RestConfig | None = None) -> web.Application:
    """The application that serves Kubernetes' REST API from `registry`.

    Serve it with `podyard.apiserver.serving.serve`.
    """
    config = config or RestConfig()
    long_running = LongRunning()
    dispatcher = Dispatcher(registry, long_running, config)
    app = web.Application(
        client_max_size=MAX_BODY_BYTES,
        # The handler chain, outermost first.
        middlewares=[
            chain.observe,  # Audit-Id, metrics, log line
            chain.answer_errors,  # every refusal is a Status; a fault of ours is a 500
            chain.authentication(config.authenticators),  # who asks
            chain.impersonation(config.authorizer),  # on whose behalf
            chain.request_info,  # what is asked
            chain.authorization(config.authorizer),  # may they
            chain.send_warnings,  # what the user should be told beside the answer
        ],
    )
    app.router.add_route("*", "/{path:.*}", dispatcher.dispatch)
    app.on_shutdown.append(lambda _: long_running.stop())
    return app
