"""Requests that the door must refuse, one row each: what is wrong, and how that is told."""

from typing import Any

from google.protobuf.timestamp_pb2 import Timestamp
from scrip.ledger.v1 import events_pb2, ledger_pb2

from tests.ledger.client import ahead

INT64_MAX = (1 << 63) - 1
HOUR, DAY, YEAR = 3_600, 24 * 3_600, 365 * 24 * 3_600
PAST = Timestamp(seconds=1_000_000)
UNKNOWN = 99

# What does for each method; the tables below spoil one field of it.
GOOD: dict[str, dict[str, Any]] = {
    "OpenAccount": {},
    "GetAccount": {},
    "UpdateAccount": {"state": ledger_pb2.Account.STATE_FROZEN},
    "GrantCredits": {"amount_micros": 1, "source": events_pb2.GRANT_SOURCE_PLAN},
    "VoidGrant": {"grant_id": "g"},
    "ReserveCredits": {"reservation_id": "r", "amount_micros": 1, "ttl": {"seconds": 60}},
    "ExtendReservation": {"reservation_id": "r", "ttl": {"seconds": 60}},
    "CaptureReservation": {"reservation_id": "r", "captured_total_micros": 1, "final": True},
    "ReleaseReservation": {"reservation_id": "r"},
    "RefundCapture": {"reservation_id": "r", "amount_micros": 1},
    "AdjustBalance": {"amount_micros": 1, "reason": "test"},
    "TransferCredits": {"to_account_id": "other", "amount_micros": 1},
    "GetReservation": {"reservation_id": "r"},
    "ListReservations": {},
    "ListGrants": {},
    "GetBalance": {},
    "ExplainBalance": {},
    "ListEntries": {},
    "WatchBalance": {},
}
COMMANDS = [name for name in GOOD if not name.startswith(("Get", "List", "Explain", "Watch"))]

IDS: list[tuple[str, Any]] = [
    ("nothing", ""),
    ("a blank", "a b"),
    ("a line's end", "a\n"),
    ("a control character", "a\x07b"),
    ("delete", "a\x7f"),
    ("a letter that is not ASCII", "ä"),
    ("129 characters", "x" * 129),
]
ACCOUNT_IDS: list[tuple[str, Any]] = [
    ("nothing", ""),
    ("a capital", "Demo"),
    ("a dash at the beginning", "-demo"),
    ("a control character", "de\x07mo"),
    ("a line's end", "demo\n"),
    ("64 characters", "a" * 64),
]
MALFORMED: list[tuple[str, str, dict[str, Any], str]] = [
    *(("ReserveCredits", what, {"request_id": value}, "request_id") for what, value in IDS),
    *(("ReserveCredits", what, {"reservation_id": value}, "reservation_id") for what, value in IDS),
    *(("VoidGrant", what, {"grant_id": value}, "grant_id") for what, value in IDS),
    *(("GetReservation", what, {"reservation_id": value}, "reservation_id") for what, value in IDS),
    *(("ReserveCredits", what, {"account_id": value}, "account_id") for what, value in ACCOUNT_IDS),
    *(("TransferCredits", what, {"to_account_id": value}, "to_account_id") for what, value in ACCOUNT_IDS),
    *(
        (name, "an account of capitals", {"account_id": "DEMO"}, "account_id")
        for name in GOOD
        if name != "WatchBalance"
    ),
    *((name, "no request id", {"request_id": ""}, "request_id") for name in COMMANDS),
    *((name, "too late", {"not_after": ahead(31 * DAY)}, "not_after") for name in COMMANDS),
    *((name, "long", {"subject": {"reference": "x" * 129}}, "subject.reference") for name in COMMANDS),
    # Amounts.
    ("ReserveCredits", "below zero", {"amount_micros": -1}, "amount_micros"),
    ("ReserveCredits", "the least there is", {"amount_micros": -INT64_MAX - 1}, "amount_micros"),
    ("GrantCredits", "zero", {"amount_micros": 0}, "amount_micros"),
    ("GrantCredits", "below zero", {"amount_micros": -5}, "amount_micros"),
    ("CaptureReservation", "below zero", {"captured_total_micros": -1}, "captured_total_micros"),
    ("RefundCapture", "zero", {"amount_micros": 0}, "amount_micros"),
    ("TransferCredits", "zero", {"amount_micros": 0}, "amount_micros"),
    ("AdjustBalance", "zero", {"amount_micros": 0}, "amount_micros"),
    ("AdjustBalance", "the least there is", {"amount_micros": -INT64_MAX - 1}, "amount_micros"),
    ("OpenAccount", "a limit below zero", {"credit_limit_micros": -1}, "credit_limit_micros"),
    ("UpdateAccount", "below zero", {"state": 0, "credit_limit_micros": -1}, "credit_limit_micros"),
    # Times.
    ("ReserveCredits", "no ttl", {"ttl": {"seconds": 0}}, "ttl"),
    ("ReserveCredits", "a ttl below a second", {"ttl": {"nanos": 999_999_999}}, "ttl"),
    ("ReserveCredits", "a ttl below zero", {"ttl": {"seconds": -60}}, "ttl"),
    ("ReserveCredits", "a ttl over 30 days", {"ttl": {"seconds": 31 * DAY}}, "ttl"),
    ("ReserveCredits", "the longest ttl", {"ttl": {"seconds": INT64_MAX}}, "ttl"),
    ("ReserveCredits", "nanoseconds over a second", {"ttl": {"seconds": 60, "nanos": 1_000_000_000}}, "ttl"),
    ("ExtendReservation", "a ttl over 30 days", {"ttl": {"seconds": 31 * DAY}}, "ttl"),
    # An hour more: these times are counted from when the tests were collected.
    ("ReserveCredits", "not_after in 30 days and more", {"not_after": ahead(30 * DAY + HOUR)}, "not_after"),
    ("ReserveCredits", "not_after before 1970", {"not_after": Timestamp(seconds=-5)}, "not_after"),
    ("ReserveCredits", "not_after after 9999", {"not_after": Timestamp(seconds=INT64_MAX)}, "not_after"),
    ("ReserveCredits", "nanoseconds below zero", {"not_after": Timestamp(seconds=5, nanos=-1)}, "not_after"),
    ("GrantCredits", "an expiry after 9999", {"expires_at": Timestamp(seconds=INT64_MAX)}, "expires_at"),
    ("GrantCredits", "in eleven years", {"effective_at": ahead(11 * YEAR)}, "effective_at"),
    (
        "GrantCredits",
        "effective when it expires",
        {"effective_at": ahead(2 * HOUR), "expires_at": ahead(HOUR)},
        "effective_at",
    ),
    ("GetBalance", "a time ahead", {"at": ahead(HOUR)}, "at"),
    ("ListEntries", "until before from", {"from": ahead(-HOUR), "until": ahead(-2 * HOUR)}, "until"),
    ("ListReservations", "before 1970", {"created_before": Timestamp(seconds=-1)}, "created_before"),
    # What a command is about.
    ("ReserveCredits", "nine labels", {"subject": {"labels": {str(n): "x" for n in range(9)}}}, "labels"),
    ("ReserveCredits", "a label without a name", {"subject": {"labels": {"": "x"}}}, "labels"),
    ("ReserveCredits", "a label's name of 65", {"subject": {"labels": {"x" * 65: "x"}}}, "labels"),
    ("ReserveCredits", "a label of 129", {"subject": {"labels": {"name": "x" * 129}}}, "labels[name]"),
    ("ReserveCredits", "a control character", {"subject": {"reference": "a\nb"}}, "subject.reference"),
    ("ReserveCredits", "a key id of 65", {"subject": {"key_id": "x" * 65}}, "subject.key_id"),
    ("ReserveCredits", "a tool of 65", {"subject": {"tool": "x" * 65}}, "subject.tool"),
    ("ReserveCredits", "no hex", {"subject": {"trace_id": "x" * 32}}, "subject.trace_id"),
    ("ReserveCredits", "a short trace", {"subject": {"trace_id": "ab"}}, "subject.trace_id"),
    ("CaptureReservation", "long", {"subject": {"provider_request_id": "x" * 129}}, "subject.provider_request_id"),
    (
        "CaptureReservation",
        "a cost below zero",
        {"subject": {"provider_cost_micros": -1}},
        "subject.provider_cost_micros",
    ),
    ("CaptureReservation", "no currency", {"subject": {"provider_cost_micros": 5}}, "subject.provider_cost_currency"),
    ("GrantCredits", "a price below zero", {"paid": {"amount_micros": -1, "currency": "EUR"}}, "paid.amount_micros"),
    ("GrantCredits", "no currency", {"paid": {"amount_micros": 5}}, "paid.currency"),
    ("GrantCredits", "a currency in words", {"paid": {"amount_micros": 5, "currency": "Euro"}}, "paid.currency"),
    ("VoidGrant", "a reason of 129", {"reason": "x" * 129}, "reason"),
    ("UpdateAccount", "a reason of 129", {"reason": "x" * 129}, "reason"),
    ("RefundCapture", "a control character", {"reason": "a\tb"}, "reason"),
    ("AdjustBalance", "no reason", {"reason": ""}, "reason"),
    ("AdjustBalance", "a reason of 129", {"reason": "x" * 129}, "reason"),
    # What goes together.
    ("UpdateAccount", "neither state nor limit", {"state": 0}, "state"),
    ("UpdateAccount", "state and limit", {"credit_limit_micros": 0}, "state"),
    ("UpdateAccount", "a disposal without closing", {"disposal": 1}, "disposal"),
    ("TransferCredits", "to itself", {"to_account_id": "demo"}, "to_account_id"),
    ("GetBalance", "a time and a position", {"at": PAST, "at_position": "1:1"}, "at_position"),
    ("GetBalance", "two kinds of freshness", {"min_position": "1:1", "stale_ok": True}, "stale_ok"),
    ("ExplainBalance", "a position and a request", {"at_position": "1:1", "request_id": "q"}, "request_id"),
    # Enums.
    ("GrantCredits", "no source", {"source": 0}, "source"),
    ("GrantCredits", "a source of the ledger's own", {"source": events_pb2.GRANT_SOURCE_REFUND}, "source"),
    ("GrantCredits", "an unknown source", {"source": UNKNOWN}, "source"),
    ("GrantCredits", "a priority of 256", {"priority": 256}, "priority"),
    ("UpdateAccount", "an unknown state", {"state": UNKNOWN}, "state"),
    ("UpdateAccount", "an unknown disposal", {"state": 3, "disposal": UNKNOWN}, "disposal"),
    ("ListReservations", "an unknown state", {"state": UNKNOWN}, "state"),
    ("ListGrants", "an unknown state", {"state": UNKNOWN}, "state"),
    ("ListEntries", "an unknown kind", {"kinds": [events_pb2.EVENT_KIND_CREDITS_GRANTED, UNKNOWN]}, "kinds"),
    ("ListEntries", "no kind", {"kinds": [0]}, "kinds"),
    # Pages.
    *((name, "201", {"page_size": 201}, "page_size") for name in GOOD if name.startswith(("List", "Explain"))),
    *((name, "below zero", {"page_size": -1}, "page_size") for name in GOOD if name.startswith(("List", "Explain"))),
    *((name, "no base64", {"page_token": "%"}, "page_token") for name in GOOD if name.startswith("List")),
    *((name, "no JSON", {"page_token": "AAAA"}, "page_token") for name in GOOD if name.startswith("List")),
    # Positions.
    ("GetBalance", "no position", {"at_position": "five"}, "at_position"),
    ("GetBalance", "position zero", {"at_position": "5:0"}, "at_position"),
    ("GetBalance", "a position below zero", {"min_position": "5:-1"}, "min_position"),
    ("ExplainBalance", "a number only", {"at_position": "5"}, "at_position"),
]

# Well formed, and refused: method, what, fields, reason, HTTP status.

REFUSED: list[tuple[str, str, dict[str, Any], str, int]] = [
    ("ReserveCredits", "no account", {"account_id": "nobody"}, "ACCOUNT_NOT_FOUND", 404),
    ("OpenAccount", "another limit", {"credit_limit_micros": 5}, "ACCOUNT_EXISTS", 409),
    ("ReserveCredits", "no credits", {"amount_micros": 101}, "INSUFFICIENT_CREDITS", 402),
    ("CaptureReservation", "no reservation", {}, "RESERVATION_NOT_FOUND", 404),
    ("ExtendReservation", "no reservation", {}, "RESERVATION_NOT_FOUND", 404),
    ("ReleaseReservation", "no reservation", {}, "RESERVATION_NOT_FOUND", 404),
    ("RefundCapture", "no reservation", {}, "RESERVATION_NOT_FOUND", 404),
    ("GetReservation", "no reservation", {}, "RESERVATION_NOT_FOUND", 404),
    ("VoidGrant", "no grant", {}, "GRANT_NOT_FOUND", 404),
    # Told when it is decided: said again after its expiry, a grant that was made finds its answer.
    ("GrantCredits", "it has expired", {"expires_at": PAST}, "REQUEST_INVALID", 400),
    ("UpdateAccount", "not empty", {"state": ledger_pb2.Account.STATE_CLOSED}, "ACCOUNT_NOT_EMPTY", 409),
    ("TransferCredits", "no other account", {}, "ACCOUNT_NOT_FOUND", 404),
    ("AdjustBalance", "too much", {"amount_micros": -101}, "INSUFFICIENT_CREDITS", 402),
    ("ReserveCredits", "all there is", {"amount_micros": INT64_MAX}, "INSUFFICIENT_CREDITS", 402),
    ("AdjustBalance", "all there is", {"amount_micros": -INT64_MAX}, "INSUFFICIENT_CREDITS", 402),
    ("AdjustBalance", "all there is", {"amount_micros": INT64_MAX}, "REQUEST_INVALID", 400),
    ("GrantCredits", "all there is", {"amount_micros": INT64_MAX}, "REQUEST_INVALID", 400),
    ("UpdateAccount", "all there is", {"state": 0, "credit_limit_micros": INT64_MAX}, "REQUEST_INVALID", 400),
    ("GetAccount", "no account", {"account_id": "nobody"}, "ACCOUNT_NOT_FOUND", 404),
    ("GetBalance", "no account", {"account_id": "nobody"}, "ACCOUNT_NOT_FOUND", 404),
    ("ListEntries", "no account", {"account_id": "nobody"}, "ACCOUNT_NOT_FOUND", 404),
    ("ListGrants", "no account", {"account_id": "nobody"}, "ACCOUNT_NOT_FOUND", 404),
    ("ListReservations", "no account", {"account_id": "nobody"}, "ACCOUNT_NOT_FOUND", 404),
    ("ExplainBalance", "no account", {"account_id": "nobody"}, "ACCOUNT_NOT_FOUND", 404),
    ("GetBalance", "before it was", {"at": PAST}, "ACCOUNT_NOT_FOUND", 404),
]
