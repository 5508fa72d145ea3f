"""Times of requests as the services are told them."""

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp

from services.runtime.errors import invalid


def stamp(field: str, moment: datetime) -> Timestamp:
    """A time with an offset; raises REQUEST_INVALID for one that in UTC is before the year 1 or after 9999."""
    made = Timestamp()
    try:
        made.FromDatetime(moment.astimezone(UTC))
    except (ValueError, OverflowError):
        raise invalid(field, "must be a time from 1970 to 9999") from None
    return made
