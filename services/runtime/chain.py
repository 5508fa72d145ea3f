"""The hash chain of a log: each commit's value covers the one before it, so no row can change or go unseen."""

import hashlib
import struct

GENESIS_HASH = bytes(32)
_HEADER = struct.Struct(">IQQIqH")


def link(
    previous: bytes, shard: int, seq: int, first_position: int, n: int, at_us: int, writer: str, body: bytes
) -> bytes:
    """SHA-256(previous hash ‖ header ‖ body); `at_us` is microseconds since the Unix epoch.

    Over the bytes of the body as it was serialized, however it is stored.

    The header ends with the writer, preceded by its length: no byte can pass from one part to the next unseen.
    """
    name = writer.encode()
    digest = hashlib.sha256(previous)
    digest.update(_HEADER.pack(shard, seq, first_position, n, at_us, len(name)))
    digest.update(name)
    digest.update(body)
    return digest.digest()
