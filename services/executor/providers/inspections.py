"""Work that was asked for and whose answer never came is looked for by what we gave with the request: our job's id.

An inspection asks for no work, so it does no harm twice. What it finds takes the place of the answer to the request,
and is read as that would have been.
"""

from enum import StrEnum

from services.executor.providers.answers import ProviderCall, told
from services.executor.providers.client import Client, NoAnswerError, NotSentError, TooLargeError
from services.executor.providers.conversation import Conversation, EndedError
from services.executor.providers.hooks import Hooks
from services.executor.providers.plan import InspectPlan
from services.executor.providers.requests import rendered, signed
from services.executor.providers.sendable import UnsendableError
from services.executor.providers.streams import UnreadableError
from services.executor.rules.answers import ToolAnswer
from services.runtime.expressions import ExpressionError, evaluate


class Sight(StrEnum):
    """What an inspection sees where it finds no ending."""

    ABSENT = "ABSENT"
    """The provider has no such work."""
    UNDER_WAY = "UNDER_WAY"
    UNTOLD = "UNTOLD"
    """It did not say, or not so that it can be understood."""


class UnseenError(Exception):
    """There is no ending to be seen yet."""

    def __init__(self, sight: Sight) -> None:
        super().__init__(sight)
        self.sight = sight


class Inspection(Conversation):
    """One look for one work."""

    def __init__(self, client: Client, hooks: Hooks, call: ProviderCall, secret: str, inspect: InspectPlan) -> None:
        super().__init__(client, hooks, call, secret)
        self._inspect = inspect

    async def answer(self) -> ToolAnswer:
        """What the request for the work would have come to; raises UnseenError where that is not to be seen yet."""
        if sight := await self._sight():
            raise UnseenError(sight)
        poll = self._plan.poll
        if poll:
            self._context["submitted"] = self._context["body"]
        if failure := self._failure():
            raise UnseenError(Sight.UNTOLD) if failure.means == "retry" else EndedError(told(failure, self.status))
        if poll and not self._is_done(poll):
            await self._look(poll.request, "json")
            if not self._is_done(poll):
                raise UnseenError(Sight.UNDER_WAY)
        return await self._outcome()

    async def _sight(self) -> Sight | None:
        """Looks for the work and takes it into the context; None where it is there to be read.

        Only the provider's own word that it has no such work is taken for that: an answer that is an error, or cannot
        be read, says nothing about the work.
        """
        try:
            request = signed(rendered(self._inspect.request, self._context), self._plan.auth, self._secret)
            response = await self._visit.look(self._client.look(request))
            await self._take(response, "json")
            if self._holds(self._inspect.absent):
                return Sight.ABSENT
            found = evaluate(self._inspect.work, self._context)
            if not response.is_success or found is None:
                return Sight.UNTOLD
            self._context["body"] = found
            return Sight.UNDER_WAY if self._holds(self._inspect.under_way) else None
        except (UnsendableError, NotSentError, NoAnswerError, TooLargeError, UnreadableError, ExpressionError):
            return Sight.UNTOLD

    def _holds(self, expression: str) -> bool:
        return bool(expression and evaluate(expression, self._context))
