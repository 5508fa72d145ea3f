"""A text that comes in pieces. Pure."""

import io
from collections.abc import Callable


class Text:
    """What one attempt of a job has said so far. Places in it are counted in characters (Unicode code points)."""

    def __init__(self) -> None:
        self._buffer = io.StringIO(newline="")
        self.length = 0
        self.on_more: Callable[[], None] = lambda: None
        """Called after each piece."""

    def put(self, piece: str) -> None:
        """What comes next."""
        if piece:
            self._buffer.seek(self.length)
            self._buffer.write(piece)
            self.length += len(piece)
            self.on_more()

    def put_at(self, offset: int, piece: str) -> bool:
        """A piece that may have come before, in part or whole; False where something before it has not come."""
        if offset > self.length:
            return False
        self.put(piece[self.length - offset :])
        return True

    def after(self, offset: int, most: int = -1) -> str:
        """What follows the first `offset` characters: all of it, or the first `most` characters."""
        self._buffer.seek(min(offset, self.length))
        return self._buffer.read(most)
