"""A call of a provider, told as the answer of a tool. Whatever is said to the caller is passed through the mask of
secrets."""

from dataclasses import replace

from services.executor.providers.answers import ProviderCall, failed, unsendable
from services.executor.providers.client import Client, NotSentError, TooLargeError
from services.executor.providers.conversation import Conversation, EndedError
from services.executor.providers.hooks import Hooks
from services.executor.providers.hosts import ForbiddenHostError
from services.executor.providers.inspections import Inspection, Sight, UnseenError
from services.executor.providers.plan import InspectPlan
from services.executor.providers.secrets import MissingSecretError, Secrets, mask
from services.executor.providers.sendable import UnsendableError
from services.executor.providers.streaming import StreamCutError
from services.executor.providers.streams import UnreadableError
from services.executor.rules.answers import DETAIL_CHARACTERS_MAX, Answer, ToolAnswer, printable
from services.executor.rules.jobs import ProviderReport
from services.runtime import clock
from services.runtime.expressions import ExpressionError

REQUEST_ID_CHARACTERS_MAX = 200


class Providers:
    """Calls providers."""

    def __init__(self, client: Client, secrets: Secrets, hooks: Hooks | None = None) -> None:
        self._client = client
        self._secrets = secrets
        self._hooks = hooks or Hooks()

    async def run(self, call: ProviderCall) -> ToolAnswer:
        """The answer of one call; raises NoAnswerError where nobody knows whether the work was done, ProviderDownError
        where it was not and the provider is down.

        However it ends, also when it is cancelled, what is known of it is in `call.course`.
        """
        try:
            secret = self._secret(call)
        except MissingSecretError as error:
            detail = f"secret {error.name} is missing"
            return failed("SECRET_MISSING", "the provider cannot be called here", detail, worked=False)
        return await _told(Conversation(self._client, self._hooks, call, secret), call, secret)

    async def inspect(self, call: ProviderCall, inspect: InspectPlan) -> ToolAnswer:
        """What became of a call whose answer never came; raises UnseenError where that is not to be seen, or not yet.
        What is known of it is in `call.course`."""
        try:
            secret = self._secret(call)
        except MissingSecretError as error:
            raise UnseenError(Sight.UNTOLD) from error
        return await _told(Inspection(self._client, self._hooks, call, secret, inspect), call, secret)

    def _secret(self, call: ProviderCall) -> str:
        return self._secrets.get(call.plan.auth.secret) if call.plan.auth else ""


async def _told(conversation: Conversation, call: ProviderCall, secret: str) -> ToolAnswer:
    """What a conversation comes to, without the secret."""
    began = clock.monotonic()
    try:
        answer = await conversation.answer()
    except EndedError as ended:
        answer = ended.answer
    except UnsendableError as error:
        answer = unsendable(error)
    except NotSentError as error:
        answer = failed("PROVIDER_UNAVAILABLE", "the provider cannot be reached", str(error), worked=False)
    except (UnreadableError, TooLargeError, ForbiddenHostError) as error:
        answer = failed("PROVIDER_ANSWER_UNREADABLE", str(error), str(error))
    except ExpressionError as error:
        answer = failed("PROVIDER_ANSWER_UNREADABLE", "the provider's answer does not fit the tool", str(error))
    except StreamCutError as error:
        answer = failed("STREAM_CUT", str(error), error.detail)
    finally:
        call.course.report = ProviderReport(
            request_id=printable(mask(conversation.request_id, secret), REQUEST_ID_CHARACTERS_MAX),
            status=conversation.status,
            latency_ms=round((clock.monotonic() - began) * 1000),
            usage=conversation.usage,
        )
    if call.plan.response.stream and answer.answer is not Answer.OUTPUT:
        # Not the units of the quote.
        answer = replace(answer, units=call.meter.units())
    return replace(
        answer,
        message=printable(mask(answer.message, secret)),
        detail=printable(mask(answer.detail, secret), DETAIL_CHARACTERS_MAX),
    )
