"""Brings commands to the ledger: to the replica of their account, again where that may help, until their deadline."""

import asyncio
import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import grpc
from scrip.ledger.v1 import ledger_pb2

from scrip_client import errors
from scrip_client.batcher import BATCH_BYTES_MAX, BATCH_COMMANDS_MAX, Batcher, Waiting
from scrip_client.replica import Replica
from scrip_client.routing import LANES, lane_of, ranking, shard_of

ATTEMPTS = 8
# The pause before the n-th repetition is a random part of this, doubled each time, up to the longest.
PAUSE_SECONDS = 0.025
PAUSE_SECONDS_MAX = 1.0
DOUBLINGS_MAX = 16
_OF_ALL_ACCOUNTS = (
    ledger_pb2.GetTotalsRequest,
    ledger_pb2.BatchGetReservationsRequest,
    ledger_pb2.ListOpenReservationsRequest,
)


@dataclass(frozen=True, slots=True)
class Answer:
    """The ledger's answer to a command.

    `response` is the command's own response message. `doubtful`: the command was sent more than once, so `replayed` in
    the response may speak of our own first sending.
    """

    response: Any
    doubtful: bool


class Sender:
    """Knows the replicas; each has a batcher for each lane."""

    def __init__(self, replicas: Sequence[Replica], shards: int, waiting_max: int) -> None:
        self._shards = shards
        self._batchers = {replica: [Batcher(replica, waiting_max) for _ in range(LANES)] for replica in replicas}
        by_address = {replica.address: replica for replica in replicas}
        self._preferred = [
            [by_address[address] for address in ranking(shard, [*by_address])] for shard in range(shards)
        ]
        self._clock = asyncio.get_running_loop().time

    async def answer(self, kind: str, request: Any, timeout: float) -> Answer:
        """The answer to one command within `timeout` seconds; raises LedgerError."""
        shard = self._shard(request)
        # Serialized once: what is sent again is what was asked, whatever the caller does to his message meanwhile.
        waiting = Waiting(_serialized(kind, request), self._clock() + timeout)
        attempt = 0
        while True:
            attempt += 1
            result = await self._batchers[self._replica(shard)][lane_of(shard)].ask(waiting)
            found = result.WhichOneof("result")
            if found == kind:
                return Answer(getattr(result, kind), waiting.sent > 1)
            if found != "error":
                result = errors.failed(grpc.StatusCode.INTERNAL, "INTERNAL", f"the answer to {kind} is {found}")
            if not (errors.is_passing(result.error) and await self._paused(attempt, ATTEMPTS, waiting.deadline)):
                raise errors.exception_of(result.error)

    async def read(self, method: str, request: Any, timeout: float) -> Any:
        """The response of a method that changes nothing, within `timeout` seconds; raises LedgerError."""
        deadline = self._clock() + timeout
        attempt = 0
        while True:
            attempt += 1
            response = await self._replica(self._shard(request)).read(method, request, deadline - self._clock())
            if not isinstance(response, ledger_pb2.CommandError):
                return response
            if not (errors.is_passing(response) and await self._paused(attempt, ATTEMPTS, deadline)):
                raise errors.exception_of(response)

    async def execute_many(
        self, commands: Sequence[ledger_pb2.Command], timeout: float, attempts: int
    ) -> list[ledger_pb2.CommandResult]:
        """One result per command within `timeout` seconds; what may pass is tried `attempts` times in all."""
        deadline = self._clock() + timeout
        shards = [self._shard(getattr(command, command_kind(command))) for command in commands]
        serialized = [ledger_pb2.BatchExecuteRequest(commands=[command]).SerializeToString() for command in commands]
        results = [errors.unavailable("not sent within the time given")] * len(commands)
        left: Sequence[int] = range(len(commands))
        attempt = 0
        while left:
            attempt += 1
            lanes = self._lanes(left, shards)
            await asyncio.gather(*(self._drive(*lane, serialized, results, deadline) for lane in lanes))
            left = [index for index in left if errors.is_passing(results[index].error)]
            if left and not await self._paused(attempt, attempts, deadline):
                break
        return results

    async def close(self) -> None:
        """Ends what is under way and lets the channels go."""
        for replica, batchers in self._batchers.items():
            for batcher in batchers:
                batcher.close()
            await replica.close()

    def _shard(self, request: Any) -> int:
        """The shard of a request's account; one that the ledger is to name may be asked for anywhere, and so may what
        is about all accounts."""
        if isinstance(request, _OF_ALL_ACCOUNTS):
            return 0
        return shard_of(request.account_id or request.request_id, self._shards)

    def _replica(self, shard: int) -> Replica:
        """The first that works of those that the shard prefers; where none does, the one left alone for longest."""
        for replica in self._preferred[shard]:
            if replica.is_open():
                return replica
        return min(self._preferred[shard], key=lambda replica: replica.try_at)

    def _lanes(self, indices: Sequence[int], shards: Sequence[int]) -> list[tuple[Replica, list[int]]]:
        """The commands of each replica, and where they are too many for one call, of each lane."""
        by_replica: defaultdict[Replica, list[int]] = defaultdict(list)
        for index in indices:
            by_replica[self._replica(shards[index])].append(index)
        lanes: list[tuple[Replica, list[int]]] = []
        for replica, own in by_replica.items():
            if len(own) <= BATCH_COMMANDS_MAX:
                lanes.append((replica, own))
            else:
                parted: list[list[int]] = [[] for _ in range(LANES)]
                for index in own:
                    parted[lane_of(shards[index])].append(index)
                lanes += [(replica, lane) for lane in parted]
        return lanes

    async def _drive(
        self,
        replica: Replica,
        lane: Sequence[int],
        serialized: Sequence[bytes],
        results: list[ledger_pb2.CommandResult],
        deadline: float,
    ) -> None:
        """Sends a lane, one call after the other, until the replica fails or the time is over."""
        for part in _calls(lane, serialized):
            executed = await replica.execute([serialized[index] for index in part], deadline)
            for index, result in zip(part, executed.results, strict=True):
                results[index] = result
            if replica.is_failing or self._clock() >= deadline:
                break

    async def _paused(self, attempt: int, attempts: int, deadline: float) -> bool:
        """Waits before the next attempt; false where there is none, or no time for it."""
        longest = min(PAUSE_SECONDS * 2 ** min(attempt - 1, DOUBLINGS_MAX), PAUSE_SECONDS_MAX)
        pause = random.uniform(0, longest)  # noqa: S311 (jitter is no secret)
        if attempt >= attempts or self._clock() + pause >= deadline:
            return False
        await asyncio.sleep(pause)
        return True


def command_kind(command: ledger_pb2.Command) -> str:
    """Which field of the command is set; raises ValueError for none."""
    kind: str | None = command.WhichOneof("command")
    if kind is None:
        raise ValueError("the command is empty")
    return kind


def _serialized(kind: str, request: Any) -> bytes:
    batch = ledger_pb2.BatchExecuteRequest()
    getattr(batch.commands.add(), kind).CopyFrom(request)
    return batch.SerializeToString()


def _calls(lane: Sequence[int], serialized: Sequence[bytes]) -> Iterator[list[int]]:
    """The lane, cut into what one call takes."""
    call: list[int] = []
    size = 0
    for index in lane:
        if call and (len(call) == BATCH_COMMANDS_MAX or size + len(serialized[index]) > BATCH_BYTES_MAX):
            yield call
            call, size = [], 0
        call.append(index)
        size += len(serialized[index])
    if call:
        yield call
