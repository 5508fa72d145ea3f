"""The query parameters of lists and questions, each checked; a complaint names its parameter."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from litestar import Request

from services.gateway import ledger_mapping, mapping, pages, times
from services.runtime.errors import invalid

VALUES_MAX = 50
_POSITION = re.compile(r"[0-9]{1,10}:[0-9]{1,19}", re.ASCII)
_VISIBLE = re.compile(r"[\x21-\x7e]{1,128}")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[Tt ][0-9:.]+([Zz]|[+-][0-9]{2}:[0-9]{2})", re.ASCII)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One that a request may have, and its JSON Schema."""

    name: str
    description: str
    schema: Mapping[str, Any]


_TIME_SCHEMA = {"type": "string", "format": "date-time"}
_NAME_SCHEMA = {"type": "string", "minLength": 1, "maxLength": 128}
_KINDS_SCHEMA = {"type": "array", "items": {"enum": [*ledger_mapping.KINDS]}}

KIND = Parameter("kind", "Only these kinds, separated by commas.", _KINDS_SCHEMA)
FROM = Parameter("from", "Recorded at or after.", _TIME_SCHEMA)
UNTIL = Parameter("until", "Recorded before.", _TIME_SCHEMA)
RESERVATION_ID = Parameter("reservation_id", "Only of this reservation.", _NAME_SCHEMA)
GRANT_ID = Parameter("grant_id", "Only of this grant.", _NAME_SCHEMA)
GRANT_STATE = Parameter("state", "Only those in this state.", {"enum": [*ledger_mapping.GRANT_STATES]})
RESERVATION_STATE = Parameter(
    "state", "Those in this state.", {"enum": [*ledger_mapping.RESERVATION_STATES], "default": "OPEN"}
)
JOB_STATE = Parameter("state", "Only those in this state.", {"enum": [*mapping.JOB_STATES]})
TOOL = Parameter("tool", "Only those of this tool.", _NAME_SCHEMA)
ACCOUNT_ID = Parameter("account_id", "Only those of this account.", _NAME_SCHEMA)
CREATED_BEFORE = Parameter("created_before", "Made before.", _TIME_SCHEMA)
AT = Parameter("at", "As it was at this time.", _TIME_SCHEMA)
POSITION = Parameter(
    "position", "As it was after the event at this `shard:n`.", {"type": "string", "pattern": "^[0-9]+:[0-9]+$"}
)
SIZE = Parameter("page_size", "The last so many entries.", pages.SIZE_SCHEMA)
REQUEST_ID = Parameter("request_id", "What became of the command with this Idempotency-Key.", _NAME_SCHEMA)
_PAGE = ("page_size", "page_token")


class Query:
    """What a request asks for. A parameter that is not known is refused: a filter with a typo would filter nothing."""

    def __init__(self, request: Request[Any, Any, Any], parameters: Sequence[Parameter], paged: bool = False) -> None:
        self._given = request.query_params
        known = [parameter.name for parameter in parameters] + [*(_PAGE if paged else ())]
        for name in self._given:
            if name not in known:
                raise invalid(name[:64], f"is no parameter here; there are {', '.join(known)}")

    def text(self, parameter: Parameter) -> str:
        """1 to 128 visible ASCII characters; empty where it is not given."""
        values = self._given.getall(parameter.name, [])
        if len(values) > 1:
            raise invalid(parameter.name, "is given more than once")
        if values and not _VISIBLE.fullmatch(values[0]):
            raise invalid(parameter.name, "must be 1 to 128 visible ASCII characters")
        return values[0] if values else ""

    def position(self, parameter: Parameter) -> str:
        """A `shard:n`; empty where it is not given."""
        text = self.text(parameter)
        if text and not _POSITION.fullmatch(text):
            raise invalid(parameter.name, "must be a position such as 3:42")
        return text

    def time(self, parameter: Parameter) -> Timestamp | None:
        """An RFC 3339 time."""
        # A plus that was not encoded arrives as a space.
        text = self._given.get(parameter.name)
        if text is None:
            return None
        moment = _moment(text[:-6] + text[-6:].replace(" ", "+"))
        if moment is None:
            raise invalid(parameter.name, "must be an RFC 3339 time such as 2031-01-31T00:00:00Z")
        return times.stamp(parameter.name, moment)

    def words(self, parameter: Parameter, words: Mapping[str, Any]) -> list[Any]:
        """The numbers of some words; each parameter may hold several, separated by commas."""
        found = [word for value in self._given.getall(parameter.name, []) for word in value.split(",")]
        if len(found) > VALUES_MAX:
            raise invalid(parameter.name, f"holds {len(found)} words, at most {VALUES_MAX} are taken")
        for word in found:
            if word not in words:
                raise invalid(parameter.name, f"{word[:40]!r} is not one of {', '.join(words)}")
        return [words[word] for word in found]

    def word(self, parameter: Parameter, words: Mapping[str, Any]) -> Any:
        """The number of one word; 0 where it is not given."""
        found = self.words(parameter, words)
        if len(found) > 1:
            raise invalid(parameter.name, "is given more than once")
        return found[0] if found else 0


def _moment(text: str) -> datetime | None:
    """The time of a text with an offset; None where it is none."""
    if not _TIME.fullmatch(text):
        return None
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        return None
