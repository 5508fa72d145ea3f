"""A caller: says each command again and again, to any replica, with the same request id, until it has an answer."""

import asyncio
import re
from collections.abc import Callable, Sequence
from typing import Any

from scrip.ledger.v1 import ledger_pb2, ledger_pb2_grpc

from services.runtime.errors import Refusal
from services.runtime.grpc_client import Peer
from tests.ledger.history import actions
from tests.ledger.history.world import Said, Seen, World, shard_of

ANSWER_SECONDS = 60
# Short, so that many an answer is given up while the command is still under way.
CALL_SECONDS = 1.0
PAUSE_SECONDS = 0.05
# Neither yes nor no: said again.
_NO_ANSWER = frozenset({"UPSTREAM_UNAVAILABLE", "RATE_LIMITED", "DEADLINE_EXCEEDED"})
READS = 0.15
BATCHES = 0.1
_Batch = ledger_pb2.BatchExecuteRequest


class Caller:
    """One caller; what it does follows from the world's choices and what came back."""

    def __init__(self, world: World, peers: Sequence[Peer]) -> None:
        self._world = world
        self._stubs = [(peer, ledger_pb2_grpc.LedgerServiceStub(peer.channel)) for peer in peers]
        # By shard: the last position it was told of.
        self._positions: dict[int, int] = {}

    async def work(self, goes_on: Callable[[], bool]) -> None:
        """Commands and reads until told otherwise."""
        while goes_on():
            what = self._world.choose.random()
            if what < READS:
                await self.read(self._world.choose.choice(self._world.accounts))
            elif what < READS + BATCHES:
                await self.say_together(*actions.several(self._world))
            else:
                action = actions.some(self._world)
                if action is not None:
                    await self.say(*action)

    async def say(self, method: str, request: Any) -> Said:
        """The command's answer, kept for the checker."""
        attempts = 0
        said: Said | None = None
        async with asyncio.timeout(ANSWER_SECONDS):
            while said is None:
                attempts += 1
                try:
                    response = await self._call(method, request)
                    said = Said(method, request, response, attempts=attempts)
                except Refusal as refusal:
                    if refusal.reason not in _NO_ANSWER:
                        said = Said(method, request, None, refusal.reason, refusal.metadata, attempts)
                    else:
                        await asyncio.sleep(PAUSE_SECONDS)
        self._keep(said)
        return said

    async def say_together(self, commands: list[tuple[str, Any]], atomic: bool) -> None:
        """The answers to commands of one call; those that got none are said again, together if need be."""
        attempts = 0
        left = commands
        async with asyncio.timeout(ANSWER_SECONDS):
            while left:
                attempts += 1
                batch = [ledger_pb2.Command(**{_field(method): request}) for method, request in left]
                mode = _Batch.MODE_ATOMIC if atomic else _Batch.MODE_INDEPENDENT
                try:
                    response = await self._call("BatchExecute", _Batch(commands=batch, mode=mode))
                except Refusal as refusal:
                    assert refusal.reason in _NO_ANSWER, refusal
                    await asyncio.sleep(PAUSE_SECONDS)
                    continue
                again = []
                for (method, request), result in zip(left, response.results, strict=True):
                    if result.error.reason in _NO_ANSWER:
                        again.append((method, request))
                    elif result.HasField("error"):
                        error = result.error
                        self._keep(Said(method, request, None, error.reason, dict(error.metadata), attempts, atomic))
                    else:
                        self._keep(Said(method, request, getattr(result, _field(method)), "", {}, attempts, atomic))
                assert not (atomic and again), "all of them are answered, or none"
                left = again

    def _keep(self, said: Said) -> None:
        self._world.said.append(said)
        if said.response is not None:
            self._learn(said.response.position)
            if said.method == "GrantCredits":
                self._world.grants.append((said.request.account_id, said.response.grant.grant_id))

    async def read(self, account_id: str) -> None:
        """A balance as it is now: never older than anything this caller was told before."""
        known = self._positions.get(shard_of(account_id), 0)
        response = None
        async with asyncio.timeout(ANSWER_SECONDS):
            while response is None:
                try:
                    response = await self._call("GetBalance", ledger_pb2.GetBalanceRequest(account_id=account_id))
                except Refusal as refusal:
                    assert refusal.reason in _NO_ANSWER, refusal
                    await asyncio.sleep(PAUSE_SECONDS)
        assert int(response.position.partition(":")[2]) >= known, f"{response.position} is older than {known}"
        self._learn(response.position)
        self._world.seen.append(Seen(account_id, response))

    async def _call(self, method: str, request: Any) -> Any:
        peer, stub = self._world.choose.choice(self._stubs)
        return await peer.call(getattr(stub, method), request, timeout=CALL_SECONDS, attempts=1)

    def _learn(self, position: str) -> None:
        if position:
            shard, _, number = position.partition(":")
            self._positions[int(shard)] = max(self._positions.get(int(shard), 0), int(number))


def _field(method: str) -> str:
    """The field of Command and CommandResult that belongs to a method."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", method).lower()
