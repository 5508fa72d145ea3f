"""Templates and expressions of manifests."""

from typing import Any

import pytest

from services.runtime import templates
from services.runtime.expressions import ExpressionError, compiled, evaluate
from services.runtime.templates import ABSENT

CONTEXT = {"input": {"text": "a/b ü", "n": 3, "yes": True, "list": ["x", "y"], "none": None, "object": {"k": 1}}}


@pytest.mark.parametrize(
    ("template", "value"),
    [
        ("plain", "plain"),
        ("${input.n}", 3),
        ("${input.yes}", True),
        ("${ input.list }", ["x", "y"]),
        ("n is ${input.n}, ${input.text}", "n is 3, a/b ü"),
        ("as JSON: ${input.object} ${input.yes}", 'as JSON: {"k":1} true'),
        ("nothing: ${input.none}${input.missing}", "nothing: "),
        ("$${input.n} stays", "${input.n} stays"),
        ("${input.{a: n, b: text}}", {"a": 3, "b": "a/b ü"}),
        ("${'}' }", "}"),
        ("${input.missing || 'other'}", "other"),
        ({"a": "${input.missing}", "b": ["${input.none}", 1], "c": {"d": "${input.missing}"}}, {"b": [1], "c": {}}),
        ({"number": 1.5, "null": None, "flag": False}, {"number": 1.5, "null": None, "flag": False}),
    ],
)
def test_a_template_becomes_its_value(template: Any, value: Any) -> None:
    """A whole expression keeps its type; what finds nothing is left out."""
    assert templates.render(template, CONTEXT) == value


def test_an_expression_that_finds_nothing_leaves_nothing() -> None:
    """The caller decides what that means."""
    assert templates.render("${input.missing}", CONTEXT) is ABSENT


def test_what_is_put_in_is_escaped_and_what_is_written_is_not() -> None:
    """In a path, for one."""
    text = templates.text("/v1/${input.text}/x", CONTEXT, escape=lambda value: value.replace("/", "%2F"))
    assert text == "/v1/a%2Fb ü/x"


@pytest.mark.parametrize("template", ["${input.n", "${'}", "${}", "${input..n}", "${input.n[}", "${unknown(input.n)}"])
def test_a_template_that_cannot_be_read_says_so(template: str) -> None:
    """When the manifest is read, or when the function is looked for."""
    with pytest.raises(ExpressionError):
        templates.check(template)
        templates.render(template, CONTEXT)


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("seconds('15s')", 15),
        ("seconds('1m30.5s')", 90.5),
        ("seconds('250ms')", 0.25),
        ("seconds('1h')", 3600),
        ("seconds('soon')", None),
        ("seconds('')", None),
        ("lower('AbC')", "abc"),
        ("upper('AbC')", "ABC"),
        ("trim('  a ')", "a"),
        ("parse_json('[1]')[0]", 1),
        ("parse_json('no')", None),
        ("divide(`1500`, `1000`)", 1.5),
        ("divide(`1`, `0`)", None),
        ("default(`false`, `true`)", False),
        ("default(missing, 'x')", "x"),
        ("sum_of([{n: `1`}, {n: `2.5`}], 'n')", 3.5),
        ("sum_of([{n: `1`}, {m: `1`}], 'n')", None),
        ("sum_of(`[]`, 'n')", 0),
    ],
)
def test_functions_beyond_the_standard(expression: str, value: Any) -> None:
    """Each answers null where there is no answer."""
    assert evaluate(expression, {}) == value


def test_an_expression_that_does_not_fit_names_itself() -> None:
    """Its author reads this."""
    with pytest.raises(ExpressionError, match="length"):
        evaluate("length(input.n)", CONTEXT)


def test_expressions_reach_data_only() -> None:
    """No attribute, no call, no file."""
    assert evaluate("input.__class__", CONTEXT) is None
    with pytest.raises(ExpressionError):
        compiled("__import__('os')")
        evaluate("__import__('os')", CONTEXT)
