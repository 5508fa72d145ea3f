"""Bodies of commits as they are stored: large ones compressed, so that the database writes a fraction of the bytes.

What callers, the hash chain and the published messages see is the body itself. A stored body tells by its first bytes
whether it is compressed: a zstd frame begins with four that no serialized EventBatch begins with (a batch starts with
one of its fields 1 to 6, and the first of the four is the tag of a field 5 that is no message).
"""

import zstandard

# A smaller body stays in its row, and costs more to compress than it saves.
PACKED_BYTES_LEAST = 1_024
_LEVEL = 1
_compressor = zstandard.ZstdCompressor(level=_LEVEL)
_decompressor = zstandard.ZstdDecompressor()


def pack(body: bytes) -> bytes:
    """A body as it is stored."""
    return _compressor.compress(body) if len(body) >= PACKED_BYTES_LEAST else body


def unpack(stored: bytes) -> bytes:
    """The body that was stored. One that is damaged comes back as it stands there: it fits no hash and no message."""
    if not stored.startswith(zstandard.FRAME_HEADER):
        return stored
    try:
        return _decompressor.decompress(stored)
    except zstandard.ZstdError:
        return stored
