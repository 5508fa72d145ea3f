"""Who asks: the API key after `Bearer`, and what its role may do."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from litestar import Request

from services.gateway.keys import KeyStore, digest_of, parts_of
from services.runtime import clock
from services.runtime.errors import Refusal

# A key that was withdrawn works for at most this long.
REMEMBER_SECONDS = 5.0
REMEMBER_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Caller:
    """The key behind a request. `account_id` is None for keys that belong to no account."""

    key_id: str
    role: str
    account_id: str | None


@dataclass(frozen=True, slots=True)
class Payer:
    """A caller whose key belongs to an account."""

    key_id: str
    account_id: str


def payer_of(caller: Caller) -> Payer:
    """A caller and its account; raises ACCOUNT_REQUIRED for keys that belong to none."""
    if caller.account_id is None:
        raise Refusal(
            "ACCOUNT_REQUIRED", f"this needs the key of an account; a key of role {caller.role} belongs to none"
        )
    return Payer(caller.key_id, caller.account_id)


class Doorkeeper:
    """Authenticates requests; keys that were found are remembered for five seconds, 10,000 at most."""

    def __init__(self, store: KeyStore) -> None:
        self._store = store
        self._known: OrderedDict[str, tuple[float, Caller]] = OrderedDict()

    async def caller(self, authorization: str) -> Caller:
        """The caller behind an `authorization` header of either door; raises UNAUTHENTICATED."""
        scheme, _, text = authorization.partition(" ")
        if not scheme:
            raise Refusal("UNAUTHENTICATED", "an API key is needed: Authorization: Bearer scrip_…")
        try:
            parts_of(text.strip())
        except ValueError:
            text = ""
        if scheme.lower() != "bearer" or not text:
            raise _unknown()
        return await self._find(digest_of(text.strip()))

    async def anyone(self, request: Request[Any, Any, Any]) -> Caller:
        """The caller, whatever its role; raises UNAUTHENTICATED."""
        return await self.caller(request.headers.get("authorization", ""))

    async def payer(self, request: Request[Any, Any, Any]) -> Payer:
        """The caller and its account; raises ACCOUNT_REQUIRED for keys that belong to none."""
        return payer_of(await self.anyone(request))

    async def admin(self, request: Request[Any, Any, Any]) -> Caller:
        """The caller, who must be an admin; raises FORBIDDEN."""
        caller = await self.anyone(request)
        if caller.role != "admin":
            raise Refusal("FORBIDDEN", f"this needs a key of role admin; this key's role is {caller.role}")
        return caller

    async def _find(self, digest: str) -> Caller:
        remembered = self._known.get(digest)
        if remembered and clock.monotonic() < remembered[0]:
            return remembered[1]
        key = await self._store.find(digest)
        if key is None:
            self._known.pop(digest, None)
            raise _unknown()
        caller = Caller(key.key_id, key.role, key.account_id)
        self._known[digest] = (clock.monotonic() + REMEMBER_SECONDS, caller)
        self._known.move_to_end(digest)
        if len(self._known) > REMEMBER_MAX:
            self._known.popitem(last=False)
        return caller


def _unknown() -> Refusal:
    return Refusal("UNAUTHENTICATED", "this API key is not known")
