"""Who calls: service tokens, stored as SHA-256, and the caller of the request in hand."""

import hashlib
from contextvars import ContextVar
from pathlib import Path
from typing import Protocol

from services.runtime.errors import Refusal

_caller: ContextVar[str] = ContextVar("caller", default="")


def caller() -> str:
    """Name of the service that made the request in hand; empty outside of one."""
    return _caller.get()


def actor() -> str:
    """The caller as events name it."""
    return f"service:{caller()}" if caller() else ""


class Callers(Protocol):
    """Those who may call."""

    async def authenticate(self, authorization: str) -> object:
        """Returns for an `authorization` header that is good; raises UNAUTHENTICATED."""


class ServiceTokens:
    """The services that may call, read from a file of lines `name sha256-hex`."""

    def __init__(self, path: Path) -> None:
        self._names: dict[str, str] = {}
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if not line.strip() or line.startswith("#"):
                continue
            name, _, digest = line.partition(" ")
            if len(digest.strip()) != 64:
                raise ValueError(f"{path.name}, line {number}: expected `name sha256-hex`")
            self._names[digest.strip().lower()] = name

    async def authenticate(self, authorization: str) -> str:
        """The service behind an `authorization` header; raises UNAUTHENTICATED.

        A token holds at least 128 random bits, so looking its digest up tells an attacker nothing by its timing.
        """
        scheme, _, token = authorization.partition(" ")
        digest = hashlib.sha256(token.strip().encode()).hexdigest()
        name = self._names.get(digest) if scheme.lower() == "bearer" else None
        if name is None:
            raise Refusal("UNAUTHENTICATED", "a service token is needed: authorization: Bearer scrip_svc_…")
        _caller.set(name)
        return name
