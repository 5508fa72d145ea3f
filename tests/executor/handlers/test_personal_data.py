"""Personal data: what is told from what only looks like it, and a text without it."""

import json
from typing import Any

import pytest

from services.executor.handlers import find_personal_data, redact_personal_data
from services.executor.material.errors import ToolError

PEM = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nMIIE\n-----END RSA PRIVATE KEY-----"
TOKEN = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U"


def found(text: str, **more: Any) -> list[tuple[str, str]]:
    """Type and text of each entity."""
    output = find_personal_data.run({"text": text} | more, {})
    assert json.loads(json.dumps(output)) == output
    assert all(text[each["start"] : each["end"]] == each["text"] for each in output["entities"])
    return [(each["type"], each["text"]) for each in output["entities"]]


def redacted(text: str, **more: Any) -> dict[str, Any]:
    return redact_personal_data.run({"text": text} | more, {})


ENTITIES = [
    ("email", "joe.o'brien+x@sub.example.co.uk"),
    ("email", "anna@müller.de"),
    ("credit_card", "4111 1111 1111 1111"),
    ("credit_card", "5555-5555-5555-4444"),
    ("credit_card", "378282246310005"),
    ("iban", "DE89 3704 0044 0532 0130 00"),
    ("iban", "GB82WEST12345698765432"),
    ("iban", "fr1420041010050500013M02606"),
    ("ip_address", "192.168.0.1"),
    ("ip_address", "2001:db8::ff00:42:8329"),
    ("ip_address", "::ffff:192.0.2.1"),
    ("us_ssn", "123-45-6789"),
    ("phone", "+44 20 7946 0958"),
    ("secret", "AKIAIOSFODNN7EXAMPLE"),
    ("secret", "sk-proj-abcdefghijklmnop1234567890"),
    ("secret", f"ghp_{'a1' * 18}"),
    ("secret", f"AIza{'b' * 35}"),
    ("secret", "xoxb-123456789012-abcdef"),
    ("secret", f"sk_live_{'c' * 24}"),
    ("secret", TOKEN),
    ("secret", PEM),
]


@pytest.mark.parametrize(("kind", "written"), ENTITIES, ids=[f"{kind} {text:.12}" for kind, text in ENTITIES])
def test_each_type_is_told(kind: str, written: str) -> None:
    """Alone, in brackets and at the end of a sentence, with its place in code points."""
    assert found(written) == [(kind, written)]
    assert found(f"😀 مرحبا ({written}), {written}.") == [(kind, written), (kind, written)]


@pytest.mark.parametrize(
    "text",
    [
        "4111 1111 1111 1112",
        "1234 5678 9012 3452",
        "DE89 3704 0044 0532 0130 01",
        "DE89 3704 0044 0532 0130 00x",
        "XX89 3704 0044 0532 0130 00",
        "256.1.1.1, 1.2.3.4.5 and v1.2.3.4",
        "12:30:45, std::vector, a::b and 00:1a:2b:3c:4d:5e",
        "000-12-3456, 666-12-3456, 900-12-3456, 123-00-4567, 123456789",
        "@foo, foo@ and a@b",
        "2024-03-05, ISBN 978-3-16-148410-0",
        "sk-short and eyJhbGciOiJIUzI1NiJ9",
        "   \n ",
    ],
)
def test_what_only_looks_like_it_is_not_taken(text: str) -> None:
    """Wrong check digits, countries and numbers that are never given out, times, versions."""
    assert found(text, region="US") == []


def test_a_card_is_found_among_other_numbers() -> None:
    """Groups before and after it are not its own."""
    assert found("12 4111 1111 1111 1111 2 pieces") == [("credit_card", "4111 1111 1111 1111")]


def test_of_a_url_the_password_is_taken() -> None:
    """Not the host after it, which is no e-mail address."""
    text = "postgres://bob:hunter2@db.example.com/x"
    assert found(text) == [("secret", "hunter2")]
    assert redacted(text)["text"] == "postgres://bob:[SECRET]@db.example.com/x"


def test_a_region_has_its_numbers_found_without_a_country_code() -> None:
    """Where it is left out only the others are."""
    text = "030 901820, +1 415 555 2671"
    assert found(text) == [("phone", "+1 415 555 2671")]
    assert found(text, region="DE") == [("phone", "030 901820"), ("phone", "+1 415 555 2671")]


def test_only_the_types_asked_for_are_looked_for() -> None:
    """All where none are named."""
    text = "ada@example.com, 123-45-6789"
    assert found(text, types=["us_ssn"]) == [("us_ssn", "123-45-6789")]
    assert redacted(text, types=["email"]) == {"text": "[EMAIL], 123-45-6789", "counts": {"email": 1}}


def test_a_redacted_text_has_placeholders_or_asterisks() -> None:
    """Asterisks leave it as long as it was, and its spaces where they were."""
    text = "😀 ada@example.com, bob@example.com: 4111 1111 1111 1111!"
    counts = {"email": 2, "credit_card": 1}
    assert redacted(text) == {"text": "😀 [EMAIL], [EMAIL]: [CREDIT_CARD]!", "counts": counts}
    masked = f"😀 {'*' * 15}, {'*' * 15}: **** **** **** ****!"
    assert redacted(text, style="mask") == {"text": masked, "counts": counts}


def test_nothing_is_left_of_what_was_found() -> None:
    """What is looked for in the redacted text is not there."""
    text = "; ".join(written for _, written in ENTITIES)
    assert len(found(text)) == len(ENTITIES)
    for style in ("placeholder", "mask"):
        assert found(redacted(text, style=style)["text"]) == []


def test_the_first_5000_are_listed_and_all_counted() -> None:
    """And all redacted."""
    text = "a@b.de " * (find_personal_data.ENTITIES_MAX + 1)
    output = find_personal_data.run({"text": text}, {})
    assert (len(output["entities"]), output["counts"]) == (5_000, {"email": 5_001})
    assert redacted(text)["text"] == "[EMAIL] " * 5_001


def test_an_unknown_region_is_the_callers() -> None:
    """It is named."""
    with pytest.raises(ToolError) as refused:
        found("x", region="ZZ")
    assert refused.value.reason == "REGION_UNKNOWN"
    assert "region: ZZ" in refused.value.message


@pytest.mark.parametrize(
    "unit",
    [
        "a@",
        "!a",
        "41",
        "1 ",
        "DE89A",
        "eyJaaaaaaaaa-",
        "-----BEGIN PRIVATE KEY-----",
        "a:",
        "::",
        "a://b:",
        "sk-",
        "1.",
    ],
)
def test_a_text_made_to_take_long_does_not(unit: str) -> None:
    """The time is in proportion to the text: a square of it would not end here."""
    assert len(found((unit * 200_000)[:200_000])) <= 1
