"""Which clusters this user has: name → data directory and address ranges (~/.podyard/clusters.json)."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from podyard.cli.cluster import config
from podyard.cli.cluster.config import ClusterConfig
from podyard.process.main import UserError


def home() -> Path:
    """Where podyard keeps what it must remember."""
    return Path.home() / ".podyard"


def find(name: str, data_dir: Path | None) -> ClusterConfig | None:
    """The cluster of that name, or of that directory when one is given; None when there is none."""
    if data_dir is not None:
        return config.load(data_dir.absolute())
    with _index() as known:
        where = known.get(config.check_name(name), {}).get("dataDir", str(home() / name))
    return config.load(Path(where))


def require(name: str, data_dir: Path | None) -> ClusterConfig:
    """The same, or a UserError when there is none."""
    found = find(name, data_dir)
    if found is None:
        which = f"in {data_dir}" if data_dir else f"named {name!r}"
        raise UserError(f"there is no cluster {which}; `podyard up` makes one")
    return found


def find_or_create(
    name: str, data_dir: Path | None, nodes: int | None, api_port: int | None
) -> ClusterConfig:
    """The cluster to start: the one that is there, or a new one with ranges that nobody has."""
    config.check_name(name)
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
            _refuse_strange_content(where)
            taken = {entry["index"] for entry in known.values()}
            number = _free_index(name, taken)
            port = api_port or config.API_PORT + 10 * number
            cluster = ClusterConfig(name, str(where), number, port, nodes or 3)
        elif cluster.name != name:
            raise UserError(f"{where} belongs to cluster {cluster.name!r}, not {name!r}")
        if nodes is not None:
            cluster = cluster.with_nodes(nodes)
        if api_port is not None and api_port != cluster.api_port:
            raise UserError(f"cluster {name!r} was made with --port {cluster.api_port}; its port stays")
        cluster.save()
        known[name] = {"dataDir": str(where), "index": cluster.index}
    return cluster


def forget(name: str) -> None:
    """Drop a cluster from the index."""
    with _index() as known:
        known.pop(name, None)


def _refuse_strange_content(where: Path) -> None:
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
    return _answers(there.control_plane_ip, 53) or _answers(there.api_address, there.api_port)


def _answers(address: str, port: int) -> bool:
    with socket.socket() as sock:
        sock.settimeout(0.2)
        return sock.connect_ex((address, port)) == 0


@contextlib.contextmanager
def _index() -> Iterator[dict[str, dict[str, Any]]]:
    """The index, locked; written back when it changed."""
    home().mkdir(parents=True, exist_ok=True, mode=0o700)
    file = home() / "clusters.json"
    with (home() / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        try:
            text = file.read_text()
        except FileNotFoundError:
            text = "{}"
        try:
            known = json.loads(text)
        except ValueError:
            raise UserError(f"{file} is damaged; remove it (the clusters' own directories stay)") from None
        yield known
        after = json.dumps(known, indent=2) + "\n"
        if after != text:
            draft = file.with_suffix(".tmp")
            draft.write_text(after)
            os.replace(draft, file)
