"""Which hosts may be called."""

import pytest

from services.executor.providers import hosts
from services.executor.providers.hosts import ForbiddenHostError

ALLOWED = ("api.example.com", "*.files.example.com")


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/a?b",
        "https://API.example.com",
        "https://a.files.example.com/x",
        "https://api.example.com:443/",
    ],
)
def test_hosts_that_the_manifest_names_may_be_called(url: str) -> None:
    """Itself, or all below one."""
    hosts.check_host(url, ALLOWED)


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com/a",
        "https://files.example.com/",
        "https://evilfiles.example.com/",
        "https://api.example.com.evil.org/",
        "https://user@api.example.com/",
        "https://api.example.com@evil.org/",
        "https://api.example.com:8443/",
        "https://evil.org/#https://api.example.com/",
        "file:///etc/passwd",
        "//api.example.com/",
        "https://",
        "https://[::1",
        "https://api.example.com/\n",
        "https://api.exa\tmple.com/",
        "https://\u00e4pi.example.com/",
        "",
    ],
)
def test_others_may_not(url: str) -> None:
    """Whatever they look like."""
    with pytest.raises(ForbiddenHostError):
        hosts.check_host(url, ALLOWED)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.216.34", True),
        ("2606:2800:220:1:248:1893:25c8:1946", True),
        ("127.0.0.1", False),
        ("10.0.0.1", False),
        ("172.16.5.4", False),
        ("192.168.1.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("::ffff:127.0.0.1", False),
        ("2002:7f00:1::", False),
        ("::127.0.0.1", False),
        ("64:ff9b::5db8:d822", True),
        ("64:ff9b::a00:1", False),
        ("64:ff9b:1::a00:1", False),
        ("fec0::1", False),
    ],
)
def test_private_addresses_are_known(address: str, public: bool) -> None:
    """Loopback, private, link-local (where clouds keep their metadata), shared, multicast, and those within IPv6."""
    assert hosts.is_public(address) is public


async def test_a_name_that_leads_home_is_refused() -> None:
    """Whatever it is called."""
    with pytest.raises(ForbiddenHostError, match="localhost"):
        await hosts.public_address("localhost")


@pytest.mark.parametrize(
    ("url", "wanted"),
    [
        ("https://api.example.com/v1/x?y=1", ("http://proxy:8080/p/v1/x?y=1", True)),
        ("https://api.example.com", ("http://proxy:8080/p", True)),
        ("https://API.Example.com/V1?Y", ("http://proxy:8080/p/V1?Y", True)),
        ("https://api.example.com:443/v1", ("http://proxy:8080/p/v1", True)),
        ("https://api.example.com?y=1", ("http://proxy:8080/p?y=1", True)),
        ("https://api.example.com.evil.org/v1", ("https://api.example.com.evil.org/v1", False)),
        ("https://other.example.com/v1", ("https://other.example.com/v1", False)),
    ],
)
def test_the_operator_may_have_a_provider_called_elsewhere(url: str, wanted: tuple[str, bool]) -> None:
    """By scheme and host, whole."""
    assert hosts.redirected(url, {"https://API.example.com": "http://proxy:8080/p"}) == wanted
