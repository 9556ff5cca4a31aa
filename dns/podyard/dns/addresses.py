"""Answers with a name's own addresses, from the query's bytes: most of those that say anything.

The first one to each question costs a tenth of what dnslib takes for it.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable

from podyard.dns.records import Data
from podyard.dns.types import AAAA, CLASS_IN, A
from podyard.dns.wire import HEADER_BYTES, OUR_UDP_BYTES, Query, head, opt

FAMILIES = {A: socket.AF_INET, AAAA: socket.AF_INET6}
_NAME = 0xC000 | HEADER_BYTES  # a pointer to the question's


def answer(query: Query, addresses: Iterable[Data], ttl: int, *, recursion: bool) -> bytes:
    """All of `addresses`, which are of the family that the query asks for."""
    packed = [socket.inet_pton(FAMILIES[query.type], str(one)) for one in addresses]
    owner = struct.pack("!HHHIH", _NAME, query.type, CLASS_IN, ttl, len(packed[0]))
    parts = [head(query, 0, recursion=recursion, answers=len(packed))]
    parts += [owner + one for one in packed]
    if query.edns:
        parts.append(opt(query, OUR_UDP_BYTES))
    return b"".join(parts)
