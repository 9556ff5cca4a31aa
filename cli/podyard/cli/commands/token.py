"""`podyard token`: by which hosts join; run where `podyard server` runs."""

from __future__ import annotations

import argparse
import asyncio
import time

from podyard.api.errors import StatusError
from podyard.api.resources import SECRETS
from podyard.api.times import human_duration, to_rfc3339
from podyard.cli import flags
from podyard.cli.cluster import index
from podyard.cli.cluster.config import ClusterConfig
from podyard.cli.commands.status import aligned
from podyard.cli.joining import tokens
from podyard.cli.joining.publish import administrator, create_token, join_command
from podyard.process.main import UserError

TITLES = ("TOKEN", "TTL", "EXPIRES", "USAGES", "DESCRIPTION", "EXTRA GROUPS")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The sub-commands, with kubeadm's flags."""
    actions = parser.add_subparsers(title="commands", metavar="COMMAND", dest="action", required=True)
    create = actions.add_parser("create", help="make a token and print it")
    create.add_argument("token", nargs="?", default="", help="(default: one that nobody can guess)")
    create.add_argument(
        "--ttl", type=_duration, default=24 * 3600.0, help="how long it is good; 0: for ever (default: 24h)"
    )
    create.add_argument("--description", default="", help="what it is for, for people")
    create.add_argument(
        "--print-join-command", action="store_true", help="print the whole command that joins with it"
    )
    listing = actions.add_parser("list", help="show the tokens there are")
    delete = actions.add_parser("delete", help="delete tokens: nobody joins by them any more")
    delete.add_argument("tokens", nargs="+", metavar="TOKEN", help="a token, or the part before its dot")
    for action in (create, listing, delete):
        flags.add_cluster(action)


def command(args: argparse.Namespace) -> int:
    """Do one of them."""
    cluster = index.require(args.name, args.data_dir)
    if not cluster.advertise:
        raise UserError(
            f"cluster {cluster.name} is on this machine alone (`podyard up`); other hosts can join one of "
            "`podyard server`"
        )
    actions = {"create": _create, "list": _list, "delete": _delete}
    asyncio.run(actions[args.action](cluster, args))
    return 0


async def _create(cluster: ClusterConfig, args: argparse.Namespace) -> None:
    text = tokens.check(args.token) if args.token else tokens.generate()
    async with administrator(cluster) as client:
        try:
            await create_token(client, text, seconds=args.ttl, description=args.description)
        except StatusError as error:
            if error.reason != "AlreadyExists":
                raise
            raise UserError(f"there is a token with id {tokens.token_id(text)!r} already") from None
    print(join_command(cluster, text) if args.print_join_command else text)


async def _list(cluster: ClusterConfig, args: argparse.Namespace) -> None:
    async with administrator(cluster) as client:
        found = await client.list(SECRETS, tokens.NAMESPACE, field_selector=f"type={tokens.TYPE}")
    rows = [_row(tokens.read_secret(secret), time.time()) for secret in found.items]
    print("\n".join(aligned([TITLES, *rows])))


async def _delete(cluster: ClusterConfig, args: argparse.Namespace) -> None:
    identifiers = [tokens.token_id(text) for text in args.tokens]
    async with administrator(cluster) as client:
        for identifier in identifiers:
            try:
                await client.delete(SECRETS, tokens.PREFIX + identifier, tokens.NAMESPACE)
            except StatusError as error:
                if error.code != 404:
                    raise
                raise UserError(f"there is no token with id {identifier!r}") from None
            print(f'bootstrap token "{identifier}" deleted')


def _row(token: tokens.Token, now: float) -> tuple[str, ...]:
    left, expires = "<forever>", "<never>"
    if token.expires is not None:
        left = human_duration(token.expires - now) if token.expires > now else "<invalid>"
        expires = to_rfc3339(token.expires)
    usages = ",".join(token.usages) or "<none>"
    return token.text, left, expires, usages, token.description or "<none>", token.groups or "<none>"


def _duration(text: str) -> float:
    try:
        return tokens.parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
