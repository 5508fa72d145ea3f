"""Who calls over gRPC, and who pays: the account of an API key, or the one that a service names."""

from contextvars import ContextVar

from services.gateway import names
from services.gateway.auth import Caller, Doorkeeper, Payer, payer_of
from services.runtime.errors import Refusal, invalid
from services.runtime.identity import ServiceTokens

SERVICE_ROLE = "service"
_SERVICE_PREFIX = "scrip_svc_"
_caller: ContextVar[Caller] = ContextVar("gateway_caller")


class GatewayCallers:
    """Everybody with an API key, and the services with a token."""

    def __init__(self, tokens: ServiceTokens, doorkeeper: Doorkeeper) -> None:
        self._tokens = tokens
        self._doorkeeper = doorkeeper

    async def authenticate(self, authorization: str) -> Caller:
        """The caller, whom `payer` then knows too; raises UNAUTHENTICATED."""
        if authorization.partition(" ")[2].strip().startswith(_SERVICE_PREFIX):
            name = await self._tokens.authenticate(authorization)
            caller = Caller(f"{SERVICE_ROLE}:{name}", SERVICE_ROLE, None)
        else:
            caller = await self._doorkeeper.caller(authorization)
        _caller.set(caller)
        return caller


def payer(account_id: str) -> Payer:
    """Who pays for the call in hand, which names this account, or none.

    Raises FORBIDDEN for an API key of another account, ACCOUNT_REQUIRED for one that belongs to none, REQUEST_INVALID
    where a service names none.
    """
    caller = _caller.get()
    if caller.role == SERVICE_ROLE:
        if not names.is_account_id(account_id):
            raise invalid("account_id", "must be an account's id: a service token belongs to no account")
        return Payer(caller.key_id, account_id)
    own = payer_of(caller)
    if account_id not in ("", own.account_id):
        raise Refusal("FORBIDDEN", f"this API key is of account {own.account_id}, and acts for no other")
    return own
