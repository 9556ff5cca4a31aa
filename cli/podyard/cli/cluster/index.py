"""Which clusters this user has: name → data directory and address ranges (~/.podyard/clusters.json)."""

from __future__ import annotations

import contextlib
import fcntl
import json
import socket
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from podyard.cli.cluster import config
from podyard.cli.cluster.config import ClusterConfig
from podyard.process.files import write_file
from podyard.process.main import UserError

NO_RANGES = -1
"""In place of the number of address ranges, for what has none on this host."""


def home() -> Path:
    """Where podyard keeps what it must remember."""
    return Path.home() / ".podyard"


def find(name: str, data_dir: Path | None) -> ClusterConfig | None:
    """The cluster of that name, or of that directory when one is given; None when there is none."""
    return config.load(place_of(name, data_dir))


def place_of(name: str, data_dir: Path | None) -> Path:
    """Where the state of that name is, or would be."""
    if data_dir is not None:
        return data_dir.absolute()
    return Path(_known().get(config.check_name(name), {}).get("dataDir", str(home() / name)))


def require(name: str, data_dir: Path | None) -> ClusterConfig:
    """The same, or a UserError when there is none."""
    found = find(name, data_dir)
    if found is None:
        raise missing(name, data_dir)
    return found


def missing(name: str, data_dir: Path | None) -> UserError:
    """What to raise when there is none."""
    which = f"in {data_dir}" if data_dir else f"named {name!r}"
    return UserError(f"there is no cluster {which}; `podyard up` makes one")


@dataclass(frozen=True, slots=True)
class _Wanted:
    nodes: int | None
    api_port: int | None
    network: str | None
    advertise: str | None
    component_args: dict[str, list[str]]


def find_or_create(
    name: str,
    data_dir: Path | None,
    nodes: int | None,
    api_port: int | None,
    *,
    network: str | None = None,
    advertise: str | None = None,
    component_args: dict[str, list[str]] | None = None,
) -> ClusterConfig:
    """The cluster to start: the one that is there, or a new one with ranges that nobody has.

    None leaves a setting as it was, or to its default. `advertise` is None for a cluster of this machine
    alone, and "" for `podyard server` without the flag.
    """
    config.check_name(name)
    wanted = _Wanted(nodes, api_port, network, advertise, component_args or {})
    with _index() as known:
        recorded = known.get(name)
        where = (data_dir or Path(recorded["dataDir"] if recorded else home() / name)).absolute()
        if recorded and Path(recorded["dataDir"]) != where:
            raise UserError(
                f"cluster {name!r} keeps its state in {recorded['dataDir']}; "
                "give another --name, or remove it with `podyard down --purge` first"
            )
        cluster = config.load(where)
        if cluster is None:
            refuse_strange_content(where)
            if wanted.advertise == "":
                raise UserError(
                    "--advertise ADDRESS is missing: by which address do other hosts reach this one?"
                )
            taken = {entry["index"] for entry in known.values()}
            cluster = _new(name, where, _free_index(name, taken), wanted)
        elif cluster.name != name:
            raise UserError(f"{where} belongs to cluster {cluster.name!r}, not {name!r}")
        cluster = _changed(cluster, wanted)
        cluster.save()
        known[name] = {"dataDir": str(where), "index": cluster.index}
    return cluster


def _new(name: str, where: Path, number: int, wanted: _Wanted) -> ClusterConfig:
    # A server has an address to itself; clusters of one machine share 127.0.0.1.
    port = wanted.api_port or config.API_PORT + (0 if wanted.advertise else 10 * number)
    nodes = 0 if wanted.advertise else wanted.nodes or 3
    # On addresses of 127.0.0.0/8 the pods of one host are not there for the others.
    network = wanted.network or (config.NETNS if wanted.advertise else config.LOOPBACK)
    return ClusterConfig(name, str(where), number, port, nodes, network, wanted.advertise or "")


def _changed(cluster: ClusterConfig, wanted: _Wanted) -> ClusterConfig:
    """The cluster as the flags want it. Raises UserError for what stays as it was made."""
    name = cluster.name
    if (wanted.advertise is not None) != bool(cluster.advertise):
        raise UserError(
            f"cluster {name!r} is one of `podyard {cluster.command}`; use that, or give another --name"
        )
    kept = {
        "--port": (wanted.api_port, cluster.api_port),
        "--advertise": (wanted.advertise or None, cluster.advertise),
        "--network": (wanted.network, cluster.network),
    }
    for flag, (given, made) in kept.items():
        if given is not None and given != made:
            raise UserError(f"cluster {name!r} was made with {flag} {made}; that stays")
    nodes = cluster.nodes if wanted.nodes is None else wanted.nodes
    return replace(cluster, nodes=nodes, component_args=cluster.component_args | wanted.component_args)


def remember(name: str, where: Path) -> None:
    """Put down where a node that has joined keeps its state. Raises UserError when the name is taken."""
    config.check_name(name)
    with _index() as known:
        recorded = known.get(name)
        if recorded and Path(recorded["dataDir"]) != where:
            raise UserError(
                f"{name!r} keeps its state in {recorded['dataDir']}; give another --name, "
                f"or remove it with `podyard down --name {name} --purge` first"
            )
        known[name] = {"dataDir": str(where), "index": NO_RANGES}


def forget(name: str) -> None:
    """Drop a cluster from the index."""
    with _index() as known:
        known.pop(name, None)


def refuse_strange_content(where: Path) -> None:
    """UserError when a directory that is to become a data directory holds anything."""
    try:
        strange = sorted(entry.name for entry in where.iterdir())
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"--data-dir {where}: {error.strerror}") from None
    if strange:
        raise UserError(
            f"{where} is not empty (it holds {', '.join(strange[:3])}) and is no podyard data directory; "
            "nothing was changed: give another --data-dir"
        )


def _free_index(name: str, taken: set[int]) -> int:
    if name == config.DEFAULT_NAME:
        return 0
    for number in range(1, config.MAX_INDEX + 1):
        if number not in taken and not _in_use(number):
            return number
    raise UserError(f"there are {config.MAX_INDEX} clusters already; remove one with `podyard down --purge`")


def _in_use(number: int) -> bool:
    """Whether another user's cluster, which our index does not know, runs with these ranges."""
    there = ClusterConfig("", "", number, config.API_PORT + 10 * number, 1)
    return (
        _answers(there.dns_ip, 53)
        or _answers(there.control_plane_ip, 53)
        or _answers(there.api_address, there.api_port)
    )


def _answers(address: str, port: int) -> bool:
    with socket.socket() as sock:
        sock.settimeout(0.2)
        return sock.connect_ex((address, port)) == 0


@contextlib.contextmanager
def _index() -> Iterator[dict[str, dict[str, Any]]]:
    """The index, locked; written back when it changed."""
    home().mkdir(parents=True, exist_ok=True, mode=0o700)
    with (home() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        known = _known()
        before = _text(known)
        yield known
        if _text(known) != before:
            write_file(_file(), _text(known).encode(), 0o644)


def _known() -> dict[str, dict[str, Any]]:
    """The index as it is: it is replaced as a whole, and needs no lock to be read."""
    try:
        known = json.loads(_file().read_text())
        return {name: {**entry} for name, entry in known.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, AttributeError, TypeError):
        raise UserError(f"{_file()} is damaged; remove it (the clusters' own directories stay)") from None


def _file() -> Path:
    return home() / "clusters.json"


def _text(known: dict[str, dict[str, Any]]) -> str:
    return json.dumps(known, indent=2) + "\n"
