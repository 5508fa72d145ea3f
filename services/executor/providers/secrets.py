"""Secrets of providers: from a folder with a file each, which is read again when it changes, else from the environment.

Values stay in this process. Whatever text leaves a call is passed through `mask` first.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

MASK = "***"
# A shorter value would mask half of every text.
MASKED_CHARACTERS_LEAST = 6


class MissingSecretError(Exception):
    """A secret that a manifest names is not there; `name` is its name."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


class Secrets:
    """What may be used in calls; `environment` has the values by name in upper case."""

    def __init__(self, folder: Path | None, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = dict(environment)
        self._read: dict[str, tuple[tuple[int, int], str]] = {}

    def has(self, name: str) -> bool:
        """Whether a secret is there and not empty."""
        try:
            return bool(self.get(name))
        except MissingSecretError:
            return False

    def get(self, name: str) -> str:
        """The value as it is now; raises MissingSecretError."""
        value = self._from_folder(name) or self._environment.get(name.upper(), "").strip()
        if not value:
            raise MissingSecretError(name)
        return value

    def _from_folder(self, name: str) -> str:
        if self._folder is None:
            return ""
        path = self._folder / name
        try:
            found = path.stat()
            # Mounted secrets are replaced by another file, at times with the same length.
            stamp = (found.st_mtime_ns, found.st_ino)
            known = self._read.get(name)
            if known is None or known[0] != stamp:
                known = (stamp, path.read_text(encoding="utf-8").strip())
                self._read[name] = known
        except (OSError, UnicodeDecodeError):
            self._read.pop(name, None)
            return ""
        return known[1]


def mask(text: str, secret: str) -> str:
    """The text without the secret, also as it stands in a URL."""
    if len(secret) < MASKED_CHARACTERS_LEAST:
        return text
    return text.replace(secret, MASK).replace(quote(secret, safe=""), MASK)


def masked(value: Any, secret: str) -> Any:
    """JSON values without the secret in any of their texts, names of members included."""
    match value:
        case str():
            return mask(value, secret)
        case dict():
            return {mask(name, secret): masked(one, secret) for name, one in value.items()}
        case list():
            return [masked(item, secret) for item in value]
        case _:
            return value
