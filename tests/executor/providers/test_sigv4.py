"""Signature Version 4, by the signatures that its inventor publishes."""

from datetime import UTC, datetime

import pytest

from services.executor.providers import sigv4

SECRET = "AKIDEXAMPLE:wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
AT = datetime(2015, 8, 30, 12, 36, tzinfo=UTC)
URL = "https://example.amazonaws.com/"
FORM = {"content-type": "application/x-www-form-urlencoded"}

# Of AWS's own test suite: method, URL, headers, content, signature.
PUBLISHED = [
    ("GET", URL, {}, b"", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
    ("POST", URL, {}, b"", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    ("GET", f"{URL}?Param2=value2&Param1=value1", {}, b"",
     "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
    ("POST", URL, FORM, b"Param1=value1", "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "url", "headers", "content", "signature"), PUBLISHED)
def test_published_requests_get_their_published_signatures(
    method: str, url: str, headers: dict[str, str], content: bytes, signature: str
) -> None:
    """Byte for byte: any other canonical form gives another signature."""
    made = sigv4.headers_of(method, url, headers, content, SECRET, ("us-east-1", "service"), AT)
    names = ";".join(sorted({"host", "x-amz-date", *headers}))
    assert made["authorization"] == (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders={names}, Signature={signature}"
    )
    assert made["x-amz-date"] == "20150830T123600Z"


def test_a_sessions_token_is_sent_and_signed() -> None:
    """And the secret key is in no header."""
    made = sigv4.headers_of("GET", URL, {}, b"", f"{SECRET}:token/1", ("eu-west-1", "polly"), AT)
    assert made["x-amz-security-token"] == "token/1"
    assert "SignedHeaders=host;x-amz-date;x-amz-security-token," in made["authorization"]
    assert SECRET.partition(":")[2] not in str(made)
