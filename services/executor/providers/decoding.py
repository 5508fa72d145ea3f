"""Undoes how an answer's content is encoded, piece by piece: a small answer cannot become a large one at once. Pure."""

import zlib
from collections.abc import Iterator

from services.executor.providers.streams import UnreadableError

ACCEPTED = "gzip"
PIECE_BYTES = 64 * 1024
# zlib finds out by itself which of the two it is.
_EITHER = 32 + zlib.MAX_WBITS


class Decoder:
    """Of one answer; `encoding` is its Content-Encoding. Raises UnreadableError for one that was not asked for."""

    def __init__(self, encoding: str) -> None:
        self._zlib = None
        match encoding.strip().lower():
            case "" | "identity":
                pass
            case "gzip" | "x-gzip" | "deflate":
                self._zlib = zlib.decompressobj(_EITHER)
            case _:
                raise UnreadableError("the answer's content is encoded in a way that was not asked for")

    def feed(self, piece: bytes) -> Iterator[bytes]:
        """What the piece holds, in pieces of at most 64 KiB where it was encoded; raises UnreadableError."""
        if self._zlib is None:
            yield piece
            return
        while True:
            try:
                decoded = self._zlib.decompress(piece, PIECE_BYTES)
            except zlib.error as error:
                raise UnreadableError("the answer's content is not encoded as it says") from error
            if decoded:
                yield decoded
            piece = self._zlib.unconsumed_tail
            if not piece and len(decoded) < PIECE_BYTES:
                return
