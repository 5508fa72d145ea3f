"""The events of one commit, serialized as they are decided."""

from scrip.ledger.v1 import events_pb2 as pb

EVENTS_MAX = 4_096
# A message of NATS holds 1 MB, and an event that draws on thousands of grants a tenth of that.
BYTES_MAX = 512 * 1024
# What one command and all that it makes due may need: room is left for it.
_COMMAND_EVENTS = 8
_COMMAND_BYTES = 16 * 1024
# Field 7 of EventBatch, length-delimited: what stands before each event.
_EVENTS_TAG = 0x3A


def _prefix(size: int) -> bytes:
    """The tag of an event, and its length as a varint."""
    prefix = bytearray((_EVENTS_TAG,))
    while size >= 0x80:
        prefix.append(size & 0x7F | 0x80)
        size >>= 7
    prefix.append(size)
    return bytes(prefix)


_PREFIXES = [_prefix(size) for size in range(1_024)]


class Batch:
    """Events in the bytes they will have in the log, so that their size is known and not guessed."""

    __slots__ = ("_parts", "_size", "n")

    def __init__(self) -> None:
        self.n = 0
        self._size = 0
        self._parts: list[bytes] = []

    @property
    def is_full(self) -> bool:
        """Whether the batch must be committed before another command is decided."""
        return self.n >= EVENTS_MAX - _COMMAND_EVENTS or self._size >= BYTES_MAX - _COMMAND_BYTES

    def add(self, event: pb.Event) -> None:
        """Puts an event at the end."""
        data = event.SerializeToString()
        size = len(data)
        self._parts += (_PREFIXES[size] if size < len(_PREFIXES) else _prefix(size), data)
        self._size += size + 4
        self.n += 1

    def body(self, header: pb.EventBatch) -> bytes:
        """The serialized EventBatch: its fields stand in the order of their numbers, and the events are the last."""
        return header.SerializeToString() + b"".join(self._parts)

    def mark(self) -> tuple[int, int, int]:
        """A place to which `cut` can go back."""
        return self.n, self._size, len(self._parts)

    def cut(self, mark: tuple[int, int, int] = (0, 0, 0)) -> None:
        """Drops the events since a mark; without one, all."""
        self.n, self._size, parts = mark
        del self._parts[parts:]
