"""Work that a provider has begun, as it is kept: what it answered when it was asked for it. Pure."""

import json
from dataclasses import dataclass
from typing import Any

from services.executor.providers.secrets import masked
from services.executor.store.rows import Work

# One that answers more than this to a request for work cannot be gone on with by another executor.
ANSWER_BYTES_MAX = 65_536


@dataclass(frozen=True, slots=True)
class Begun:
    """The provider's own id of the call, and its answer as expressions see it, in JSON."""

    request_id: str
    answer_json: bytes

    def context(self) -> dict[str, Any]:
        """What expressions saw right after the answer."""
        answer: dict[str, Any] = json.loads(self.answer_json)
        return answer

    @property
    def submitted(self) -> Any:
        """The body of the answer, by which the work can be stopped."""
        return self.context().get("body")


def begun_of(work: Work) -> Begun:
    """What was kept."""
    return Begun(work.provider_request_id, work.answer_json)


def begun(context: dict[str, Any], request_id: str, secret: str) -> Begun | None:
    """What is kept of an answer, never the secret; None where it is too large."""
    answer = {name: context[name] for name in ("status", "headers", "body", "uploaded") if name in context}
    answer_json = json.dumps(masked(answer, secret), separators=(",", ":")).encode()
    return Begun(request_id, answer_json) if len(answer_json) <= ANSWER_BYTES_MAX else None
