"""Quote tokens: what is signed is read back, and nothing else is a quote."""

import base64
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.catalog import quotes
from services.catalog.quotes import Claims
from services.runtime.settings import SettingsError

KEY, OTHER_KEY = b"k" * 32, b"o" * 32
MICROS = st.integers(0, 2**63 - 1)
CLAIMS = st.builds(
    Claims,
    nonce=st.binary(min_size=quotes.NONCE_BYTES, max_size=quotes.NONCE_BYTES),
    account_id=st.from_regex(r"[a-z0-9][a-z0-9_-]{0,62}", fullmatch=True),
    tool=st.from_regex(r"[a-z0-9][a-z0-9-]{0,62}", fullmatch=True),
    version=st.integers(1, 2**31),
    price_version=st.integers(1, 2**31),
    units=st.dictionaries(st.text(st.characters(codec="utf-8"), max_size=20), MICROS, max_size=4),
    exact=st.booleans(),
    amount_micros=MICROS,
    amount_max_micros=MICROS,
    input_digest=st.binary(min_size=32, max_size=32).map(bytes.hex),
    expires_at_us=MICROS,
)
SAMPLE = Claims(b"n" * 16, "demo", "echo", 1, 2, {"page": 3}, True, 4, 5, "ab" * 32, 6)


@given(CLAIMS)
def test_a_signed_quote_is_read_back(claims: Claims) -> None:
    """Whatever it says, in at most 1,024 characters of base64url."""
    token = quotes.sign(claims, [KEY])
    assert quotes.verify(token, [KEY]) == claims
    assert len(token) <= quotes.TOKEN_CHARS_MAX
    assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


@given(CLAIMS, st.data())
def test_a_token_with_one_character_changed_is_no_quote(claims: Claims, data: st.DataObject) -> None:
    """Not even in the bits that base64 leaves over: each quote has one token."""
    token = quotes.sign(claims, [KEY])
    index = data.draw(st.integers(0, len(token) - 1))
    other = data.draw(st.sampled_from("Aa0-_").filter(lambda character: character != token[index]))
    assert quotes.verify(token[:index] + other + token[index + 1 :], [KEY]) is None


@pytest.mark.parametrize(
    "token",
    [
        "",
        "x",
        "====",
        "é",
        "a b",
        "A" * 43,
        "A" * 2_000,
        quotes.sign(SAMPLE, [KEY]) + "=",
        quotes.sign(SAMPLE, [KEY])[:-4],
    ],
)
def test_anything_else_is_no_quote(token: str) -> None:
    """Texts that are not base64url, too short or too long are refused, not crashed on."""
    assert quotes.verify(token, [KEY]) is None


def test_keys_are_rotated_by_putting_a_new_one_first() -> None:
    """The first key signs, all of them verify; a key that is gone does not."""
    old, new = quotes.sign(SAMPLE, [KEY]), quotes.sign(SAMPLE, [OTHER_KEY, KEY])
    assert quotes.verify(old, [OTHER_KEY, KEY]) == SAMPLE
    assert quotes.verify(new, [OTHER_KEY]) == SAMPLE
    assert quotes.verify(old, [OTHER_KEY]) is None


def test_the_job_follows_from_account_and_nonce() -> None:
    """`job_` and 26 characters of base32 of their SHA-256: a fixed point that other services rely on."""
    assert SAMPLE.job_id == "job_" + JOB_OF_SAMPLE
    assert quotes.sign(SAMPLE, [KEY]) != quotes.sign(replace(SAMPLE, nonce=b"m" * 16), [KEY])


JOB_OF_SAMPLE = "sjvvegthttop2qmasmfdctey3d"


def test_keys_are_read_from_a_file(tmp_path: Path) -> None:
    """One base64 key a line; blank lines do not count."""
    file = tmp_path / "keys"
    file.write_text(f"{base64.b64encode(KEY).decode()}\n\n{base64.b64encode(OTHER_KEY).decode()}\n")
    assert quotes.read_keys(file) == (KEY, OTHER_KEY)


@pytest.mark.parametrize(
    ("content", "says"),
    [("", "holds no key"), ("c2hvcnQ=\n", "line 1 must be"), ("not base64!\n", "line 1 must be")],
)
def test_bad_keys_stop_the_start_without_being_shown(tmp_path: Path, content: str, says: str) -> None:
    """A short or broken key is named by its line."""
    file = tmp_path / "keys"
    file.write_text(content)
    with pytest.raises(SettingsError, match=says) as refused:
        quotes.read_keys(file)
    assert "c2hvcnQ" not in str(refused.value)


def test_a_missing_key_file_stops_the_start(tmp_path: Path) -> None:
    """The error names the setting and the file."""
    with pytest.raises(SettingsError, match=r"SCRIP_QUOTE_KEYS_FILE.*nowhere"):
        quotes.read_keys(tmp_path / "nowhere")
