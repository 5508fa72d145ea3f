"""Telephone numbers in a text, by Google's numbering plans (phonenumbers), in the forms they are dialled in."""

from typing import TYPE_CHECKING, Any

from services.executor.material.phone_numbers import matches, span

if TYPE_CHECKING:
    from phonenumbers import PhoneNumberMatch

NUMBERS_MAX = 2_000


def run(input: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """The valid numbers of `text` in order, the first 2,000 of them; raises REGION_UNKNOWN."""
    count = 0
    numbers: list[dict[str, Any]] = []
    for match in matches(input["text"], input.get("region")):
        count += 1
        if len(numbers) < NUMBERS_MAX:
            numbers.append(_described(input["text"], match))
    return {"count": count, "numbers": numbers}


def _described(text: str, match: "PhoneNumberMatch") -> dict[str, Any]:
    import phonenumbers
    from phonenumbers import PhoneNumberFormat, PhoneNumberType

    number = match.number
    start, end = span(match)
    described = {
        "text": text[start:end],
        "start": start,
        "end": end,
        "e164": phonenumbers.format_number(number, PhoneNumberFormat.E164),
        "international": phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL),
        "national": phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL),
        "type": PhoneNumberType.to_string(phonenumbers.number_type(number)).lower(),
    }
    # Free numbers of the whole world, such as +800, belong to none.
    if (country := phonenumbers.region_code_for_number(number)) in phonenumbers.SUPPORTED_REGIONS:
        described["country"] = country
    if number.extension:
        described["extension"] = number.extension
    return described
