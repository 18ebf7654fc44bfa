"""The key of a member and the partition it belongs to, computed here for every producer (design.md, the flow).

Kafka's Java clients, librdkafka and aiokafka choose partitions differently; ours is murmur2 as in Java, always given explicitly.
"""

from __future__ import annotations

from functools import lru_cache

from aiokafka.partitioner import murmur2

from schemas.records import MemberId, MemberKey, Payer

SEPARATOR = "|"


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
    return int((murmur2(key.encode()) & 0x7FFFFFFF) % partitions)
