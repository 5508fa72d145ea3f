"""How easy a text is to read, and the syllables that this is made of."""

import json
from typing import Any

import pytest

from services.executor.handlers import readability
from services.executor.material import syllables
from services.executor.material.errors import ToolError

GETTYSBURG = (
    "Four score and seven years ago our fathers brought forth on this continent, a new nation, conceived in Liberty,"
    " and dedicated to the proposition that all men are created equal. Now we are engaged in a great civil war, testing"
    " whether that nation, or any nation so conceived and so dedicated, can long endure."
)


def measured(text: str, **more: str) -> dict[str, Any]:
    output = readability.run({"text": text} | more, {})
    assert json.loads(json.dumps(output)) == output
    return output


SYLLABLES = {
    "en": "the 1 table 2 boxes 2 wanted 2 called 1 idea 3 radio 3 nation 2 million 2 science 2 being 2 playing 2"
    " video 3 poem 2 every 2 everyone 3 beyond 2 quiet 2 area 3 business 3 rhythm 1 didn't 2 something 2 easier 3"
    " create 2",
    "de": "haus 1 häuser 2 italien 3 straße 2 fußball 2 quelle 2 meer 1 europa 3 ideal 3 theater 3 übung 2 treue 2"
    " geschwindigkeitsbegrenzung 7 bundesausbildungsförderungsgesetz 10 knie 1",
    "fr": "maison 2 école 2 table 1 voyage 2 théâtre 2 réel 2 amie 2 rue 1 oiseau 2 beaucoup 2 naïf 2 mondes 1 idée 2"
    " noël 2 longue 1 cœur 1 que 1",
    "es": "casa 2 ciudad 2 país 2 día 2 leer 2 bueno 2 guerra 2 queso 2 agua 2 rey 1 mayo 2 aéreo 4 pingüino 3 oír 2",
    "it": "casa 2 aiuto 3 acqua 2 quando 2 città 2 uomo 2 perché 2 gioia 2 guerra 2 scuola 2 virtù 2",
    "nl": "huis 1 mooi 1 lelijk 2 fiets 1 leeuw 1 nieuw 1 koeien 2 europa 3 vrouw 1 ijs 1 bakkerij 3 zeeën 2",
}


@pytest.mark.parametrize("language", SYLLABLES)
def test_syllables_are_counted_as_they_are_spoken(language: str) -> None:
    """Silent letters, diphthongs and vowels that part."""
    count = syllables.counter(language)
    listed = SYLLABLES[language].split()
    expected = dict(zip(listed[::2], map(int, listed[1::2]), strict=True))
    assert {word: count(word) for word in expected} == expected


def test_an_english_text_has_a_reading_ease_and_five_grades() -> None:
    """From its counts, by the formulas as published."""
    output = measured(GETTYSBURG)
    counts = [output[name] for name in ("sentences", "words", "syllables", "letters")]
    assert counts == [2, 54, 84, 247]
    assert output["reading_ease"] == round(206.835 - 1.015 * 54 / 2 - 84.6 * 84 / 54, 1)
    assert output["grades"]["flesch_kincaid"] == round(0.39 * 54 / 2 + 11.8 * 84 / 54 - 15.59, 1)
    assert set(output["grades"]) == {
        *("flesch_kincaid", "gunning_fog", "smog", "coleman_liau", "automated_readability")
    }
    assert (output["level"], output["words_per_sentence"]) == ("difficult", 27)


def test_a_german_text_is_measured_by_german_formulas() -> None:
    """Amstad's reading ease and the Wiener Sachtextformel; an ordinal ends no sentence."""
    output = measured("Am 3. Mai kam der Bundestag zusammen. Das Haus war voll.", language="de")
    assert (output["sentences"], output["words"], output["syllables"]) == (2, 10, 14)
    assert output["reading_ease"] == round(180 - 10 / 2 - 58.5 * 14 / 10, 1)
    assert list(output["grades"]) == ["wiener_sachtextformel"]


@pytest.mark.parametrize(("language", "text"), [("fr", "La fleur est belle."), ("es", "La casa es grande.")])
def test_other_languages_have_a_reading_ease_and_no_grades(language: str, text: str) -> None:
    """Nobody made one for them."""
    output = measured(text, language=language)
    assert (output["grades"], output["language"]) == ({}, language)
    assert output["reading_ease"] > 80


def test_harder_texts_have_a_lower_reading_ease() -> None:
    """And the words for it."""
    easy, hard = (
        measured("The cat sat on the mat."),
        measured("Institutional accountability necessitates verification."),
    )
    assert (easy["level"], hard["level"]) == ("very_easy", "very_difficult")


@pytest.mark.parametrize("text", ["   ", "12 345.", "😀", "?!"])
def test_a_text_without_words_is_the_callers(text: str) -> None:
    """There is nothing to measure."""
    with pytest.raises(ToolError) as refused:
        measured(text)
    assert refused.value.reason == "TEXT_WITHOUT_WORDS"
    assert "at least 1" in refused.value.message
