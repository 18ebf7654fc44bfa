"""The key of a member and the partition it belongs to, computed here for every producer (design.md, the flow).

Kafka's Java clients, librdkafka and aiokafka choose partitions differently; ours is murmur2 as in Java, always given explicitly.
"""

from __future__ import annotations

import struct
from functools import lru_cache

from schemas.records import MemberId, MemberKey, Payer

SEPARATOR = "|"
_SEED, _MIX, _ALL = 0x9747B28C, 0x5BD1E995, 0xFFFFFFFF


def member_key(payer: str, member_id: str) -> MemberKey:
    """`payer|member_id`."""
    return MemberKey(f"{payer}{SEPARATOR}{member_id}")


def split_member_key(key: str) -> tuple[Payer, MemberId]:
    """The payer and the member of a key; a payer holds no separator."""
    payer, _, member_id = key.partition(SEPARATOR)
    return Payer(payer), MemberId(member_id)


@lru_cache(maxsize=262_144)
def partition_of(key: str, partitions: int) -> int:
    """The partition of a key among `partitions`, as Kafka's Java client computes it."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def murmur2(data: bytes) -> int:
    """The 32-bit hash by which Kafka's Java client spreads keys: word by word, at half the cost of byte by byte."""
    found = _SEED ^ len(data)
    whole = len(data) & ~3
    for word in struct.unpack(f"<{whole >> 2}I", data[:whole]):
        mixed = word * _MIX & _ALL
        found = (found * _MIX & _ALL) ^ ((mixed ^ mixed >> 24) * _MIX & _ALL)
    if whole < len(data):
        found = (found ^ int.from_bytes(data[whole:], "little")) * _MIX & _ALL
    found = (found ^ found >> 13) * _MIX & _ALL
    return found ^ found >> 15
