"""Where secrets of providers come from."""

from pathlib import Path

import pytest

from services.executor.providers.secrets import MissingSecretError, Secrets, mask


def test_a_file_comes_before_the_environment(tmp_path: Path) -> None:
    """And without what an editor leaves at its end."""
    (tmp_path / "deepl_api_key").write_text("from a file\n")
    secrets = Secrets(tmp_path, {"DEEPL_API_KEY": "from the environment", "OTHER": " other "})
    assert secrets.get("deepl_api_key") == "from a file"
    assert secrets.get("other") == "other"


def test_a_secret_that_is_replaced_is_read_again(tmp_path: Path) -> None:
    """As a mounted one is: another file under the same name."""
    path = tmp_path / "key"
    path.write_text("old-one")
    secrets = Secrets(tmp_path, {})
    assert secrets.get("key") == "old-one"
    other = tmp_path / "..new"
    other.write_text("new-one")
    other.replace(path)
    assert secrets.get("key") == "new-one"
    path.unlink()
    assert not secrets.has("key")


@pytest.mark.parametrize("content", ["", " \n", b"\xff\xfe"])
def test_an_empty_or_unreadable_file_is_no_secret(tmp_path: Path, content: str | bytes) -> None:
    """The name is told, and nothing else."""
    (tmp_path / "key").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(MissingSecretError) as caught:
        Secrets(tmp_path, {}).get("key")
    assert caught.value.name == "key"


def test_a_secret_is_masked_wherever_it_stands() -> None:
    """One too short to be one is not looked for."""
    assert mask("key sk-12345 is wrong: sk-12345", "sk-12345") == "key *** is wrong: ***"
    assert mask("a is a", "a") == "a is a"
    assert mask("nothing", "") == "nothing"
    assert mask("of /v1?key=sk%2F12345%3D&a=b", "sk/12345=") == "of /v1?key=***&a=b"
