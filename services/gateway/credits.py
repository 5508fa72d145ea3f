"""Credits as people write them: decimal strings with up to six places; inside they are integers of microcredits."""

import re

MICROS_PER_CREDIT = 1_000_000
MICROS_MAX = 2**63 - 1
_PLACES = 6
_DECIMAL = re.compile(r"(0|[1-9][0-9]{0,99})(?:\.([0-9]{1,6}))?", re.ASCII)


def parse(text: str) -> int:
    """Microcredits of a decimal string above 0; raises ValueError with a text for the caller."""
    micros = parse_limit(text)
    if micros == 0:
        raise ValueError("must be above 0")
    return micros


def parse_signed(text: str) -> int:
    """Microcredits of a decimal string that is not 0 and may begin with a minus; raises ValueError."""
    micros = parse_limit(text.removeprefix("-"))
    if micros == 0:
        raise ValueError("must not be 0")
    return -micros if text.startswith("-") else micros


def parse_limit(text: str) -> int:
    """Microcredits of a decimal string, 0 or above; raises ValueError."""
    match = _DECIMAL.fullmatch(text)
    if match is None and _DECIMAL.fullmatch(text.removeprefix("-")):
        raise ValueError("must not be negative")
    if match is None:
        raise ValueError('must be a decimal string with at most 6 places, like "12.5"')
    micros = int(match.group(1)) * MICROS_PER_CREDIT + int((match.group(2) or "").ljust(_PLACES, "0"))
    if micros > MICROS_MAX:
        raise ValueError(f"must be at most {show(MICROS_MAX)}")
    return micros


def show(micros: int) -> str:
    """Microcredits as a decimal string without trailing zeros: 12500000 is "12.5"."""
    whole, rest = divmod(abs(micros), MICROS_PER_CREDIT)
    places = f"{rest:06d}".rstrip("0")
    sign = "-" if micros < 0 else ""
    return f"{sign}{whole}.{places}" if places else f"{sign}{whole}"
