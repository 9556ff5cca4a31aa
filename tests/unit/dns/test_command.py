"""The whole DNS process' main, against a real apiserver."""

from __future__ import annotations

import argparse
import asyncio
import re

from podyard.api.resources import ENDPOINTSLICES, SERVICES
from podyard.client.client import Client
from podyard.dns import command
from tests.support.apiserver import RunningApiserver, running_apiserver

from .conftest import fresh_address, run
from .objects import endpoint, service, slice_of


def arguments(apiserver: RunningApiserver, *more: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    command.add_arguments(parser)
    tls = apiserver.tls
    files = ["--ca-file", str(tls.ca), "--cert-file", str(tls.cert), "--key-file", str(tls.key)]
    return parser.parse_args(["--server", apiserver.target, *files, *more])


async def answers(address: str, name: str, expected: list[str]) -> None:
    """Ask until the answer is the expected one."""
    async with asyncio.timeout(20):
        found: list[str] | None = None
        while found != expected:
            output = await run("dig", f"@{address}", "-p", "5300", "+short", "+tries=1", "+time=1", name)
            found = sorted(line for line in output.split() if re.match(r"^[0-9.]+$", line))
            await asyncio.sleep(0.01)


async def test_names_follow_the_cluster() -> None:
    address = fresh_address()
    async with running_apiserver() as apiserver:
        client = Client(apiserver.target, apiserver.tls)
        options = ["--address", address, "--port", "5300", "--service-ip", "127.96.0.10"]
        dns = asyncio.create_task(command.main(arguments(apiserver, *options, "--upstream", "127.0.0.1:1")))
        await answers(address, "kube-dns.kube-system.svc.cluster.local", ["127.96.0.10"])
        await answers(address, "kubernetes.default.svc.cluster.local", ["127.96.0.1"])
        await client.create(SERVICES, service("web", "127.96.3.4"))
        await answers(address, "web.default.svc.cluster.local", ["127.96.3.4"])
        await client.create(SERVICES, service("pets"))
        await client.create(ENDPOINTSLICES, slice_of("pets", endpoint("127.244.1.2")))
        await answers(address, "pets.default.svc.cluster.local", ["127.244.1.2"])
        await client.delete(SERVICES, "web", "default")
        await answers(address, "web.default.svc.cluster.local", [])
        dns.cancel()
        await asyncio.gather(dns, return_exceptions=True)
        left = await client.list(ENDPOINTSLICES, "kube-system")
        assert left.items == []
        await client.close()
