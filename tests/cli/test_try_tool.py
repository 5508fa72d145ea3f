"""`scrip tools try`: a manifest and an input, without a Scrip that runs."""

import json
from importlib import resources
from pathlib import Path

import click.testing
import pytest

from services.cli.main import main
from tests.executor.providers.double import Answer, provider

DEEPL = (resources.files("services.catalog") / "tools" / "translate-deepl.yaml").read_text(encoding="utf-8")


def run(*arguments: str, **environment: str) -> click.testing.Result:
    """The command, with nothing of this shell's."""
    return click.testing.CliRunner(env={"SCRIP_SECRETS_DIR": None, **environment}).invoke(
        main, ["tools", "try", *arguments]
    )


def test_the_request_is_shown_without_its_secret() -> None:
    """For the manifest's example, with what it would cost."""
    result = run("translate-deepl", "--json", SCRIP_SECRET_DEEPL_API_KEY="very-secret")
    told = json.loads(result.stdout)
    assert (told["method"], told["url"]) == ("POST", "https://api.deepl.com/v2/translate")
    assert told["headers"]["authorization"] == "DeepL-Auth-Key ***"
    assert told["json"]["text"] == ["Where words fail, music speaks."]
    assert told["cost"] == "at most 0.199 credits"
    assert "very-secret" not in result.output


def test_an_input_of_ones_own_is_checked_first() -> None:
    """Every violation is told, and nothing is sent."""
    result = run("translate-deepl", "--input", '{"texts": []}')
    assert result.exit_code == 1
    assert "/texts" in result.output
    assert "target_language" in result.output


def test_a_file_that_is_no_manifest_is_told_what_is_wrong(tmp_path: Path) -> None:
    """Each mistake, where it is."""
    wrong = tmp_path / "tool.yaml"
    wrong.write_text(DEEPL.replace("${input.texts}", "${input.text}").replace("unit: character", "unit: word"))
    result = run(str(wrong))
    assert result.exit_code == 1
    line = DEEPL[: DEEPL.index("unit: character")].count("\n") + 1
    assert f"  {wrong}:{line}: price.unit: must be one of: character, token" in result.output
    wrong.write_text(DEEPL.replace("${input.texts}", "${input.text}"))
    assert "input.text, which input_schema does not have" in run(str(wrong)).output


@pytest.mark.parametrize("name", ["no-such-tool", "no-such-file.yaml"])
def test_what_is_not_there_is_said(name: str) -> None:
    """A file, or a slug of a tool that comes with Scrip."""
    result = run(name)
    assert (result.exit_code, name in result.output) == (1, True)


def test_a_handler_runs_here_when_it_is_asked_to() -> None:
    """Without a process of its own."""
    told = json.loads(run("echo", "--live", "--json", "--input", '{"message": "hi"}').stdout)
    assert told == {"output": {"message": "hi", "seconds": 0}, "units": {"second": 0}}
    assert "Handler" in run("echo").stdout


def test_without_its_secret_a_provider_is_not_called() -> None:
    """It says which one."""
    result = run("translate-deepl", "--live")
    assert result.exit_code == 1
    assert "deepl_api_key" in result.output


def test_a_file_that_is_no_text_is_told_where(tmp_path: Path) -> None:
    """Bytes that are not UTF-8, and what is no file."""
    wrong = tmp_path / "tool.yaml"
    wrong.write_bytes(b"slug: x\nname: \xff\n")
    assert f"{wrong}:2: is not UTF-8" in run(str(wrong)).output
    assert f"{tmp_path}: cannot be read" in run(str(tmp_path)).output


def test_a_provider_is_called_where_executors_call_it() -> None:
    """By the same setting; one that is none is told before anything is sent."""
    said = {"translations": [{"text": "Hallo", "detected_source_language": "EN", "billed_characters": 5}]}
    with provider(
        lambda _asked: Answer(200, {"content-type": "application/json"}, json.dumps(said).encode())
    ) as double:
        told = run(
            *("translate-deepl", "--live", "--json"),
            SCRIP_SECRET_DEEPL_API_KEY="very-secret",
            SCRIP_PROVIDER_BASES=f"https://api.deepl.com={double.url}",
        )
    assert json.loads(told.stdout)["output"] == {"translations": [{"text": "Hallo", "detected_language": "EN"}]}
    assert [asked.path for asked in double.asked] == ["/v2/translate"]
    wrong = run("translate-deepl", "--live", SCRIP_SECRET_DEEPL_API_KEY="x", SCRIP_PROVIDER_BASES="api.deepl.com=x")
    assert (wrong.exit_code, "SCRIP_PROVIDER_BASES: api.deepl.com=x must be" in wrong.output) == (2, True)


def test_the_help_names_what_is_given() -> None:
    """Its words are those of the usage line."""
    said = run("--help").output
    assert "FILE|SLUG" in said
    assert "FILE is a manifest, SLUG that of a tool" in said
