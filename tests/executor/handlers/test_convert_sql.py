"""SQL of one database becomes that of another, or it is told where it cannot be read."""

from typing import Any

import pytest
import yaml
from sqlglot.dialects import DIALECTS

from services.executor.handlers import convert_sql
from services.executor.material.errors import ToolError
from tests.executor.handlers.extras import TOOLS


def converted(sql: str, source: str = "postgres", target: str = "mysql", **input: Any) -> dict[str, Any]:
    return convert_sql.run({"sql": sql, "from": source, "to": target} | input, {})


@pytest.mark.parametrize(
    ("sql", "source", "target", "statement"),
    [
        ("SELECT a::int, now() FROM t", "postgres", "mysql", "SELECT CAST(a AS SIGNED), CURRENT_TIMESTAMP() FROM t"),
        ("SELECT TOP 5 [a b] FROM t", "tsql", "postgres", 'SELECT "a b" FROM t LIMIT 5'),
        ("SELECT `a` FROM `t`", "mysql", "duckdb", 'SELECT "a" FROM "t"'),
        ("SELECT 'ä😀'", "postgres", "bigquery", "SELECT 'ä😀'"),
    ],
)
def test_a_query_is_written_for_another_database(sql: str, source: str, target: str, statement: str) -> None:
    """Types, functions, limits and quotes are those of the other."""
    assert converted(sql, source, target, pretty=False) == {"statements": [statement], "warnings": []}


def test_statements_come_one_by_one_and_on_many_lines() -> None:
    """Comments are kept."""
    output = converted("select a from t where b; ; select 2 -- two", "duckdb", "duckdb")
    assert output["statements"] == ["SELECT\n  a\nFROM t\nWHERE\n  b", "SELECT\n  2 /* two */"]


def test_what_cannot_be_carried_over_is_told() -> None:
    """Once each, and so is what is passed on as it is."""
    output = converted("select [1], [2]; vacuum full t", "duckdb", "mysql")
    assert output["statements"][1] == "VACUUM full t"
    assert len(output["warnings"]) == 2
    assert any("Arrays are not supported" in warning for warning in output["warnings"])
    assert any("vacuum full t" in warning for warning in output["warnings"])


@pytest.mark.parametrize(
    ("sql", "where"),
    [
        ("select a,\n  from where", "line 2, column 8: 'where' cannot be read as postgres: Expected table name"),
        ("select * from (select 1", "line 1, column 23: '1' cannot be read as postgres: Expecting )"),
        ("select 1 +", "line 1, column 10: '+' cannot be read as postgres"),
        ("\n  select 'a', 'b", "line 2, column 15: a string, name or comment does not end"),
        ('select "a\n\n', "line 1, column 8: a string, name or comment does not end"),
        ("select /* a\n", "line 2, column 1: a string, name or comment does not end"),
    ],
)
def test_a_mistake_has_a_line_and_a_column(sql: str, where: str) -> None:
    """From 1, and nothing of the library's own names."""
    with pytest.raises(ToolError) as refused:
        converted(sql)
    assert (refused.value.reason, refused.value.message) == ("SQL_INVALID", f"sql: {where}")


@pytest.mark.parametrize("sql", [";", " \n", ";;"])
def test_there_has_to_be_a_statement(sql: str) -> None:
    """Something is wrong where there is none."""
    with pytest.raises(ToolError) as refused:
        converted(sql)
    assert refused.value.reason == "SQL_EMPTY"


@pytest.mark.parametrize("piece", ["(", "f(", "(select * from ", "case when ", "not ", "{", "(with a as "])
@pytest.mark.parametrize("times", [1_000, 6_000])
def test_deep_nesting_crashes_nothing(piece: str, times: int) -> None:
    """It is refused, with what is taken."""
    with pytest.raises(ToolError, match="some 30 levels are taken") as refused:
        converted("select " + piece * times, "duckdb", "duckdb")
    assert refused.value.reason == "SQL_TOO_DEEP"


def test_thirty_levels_are_taken() -> None:
    """As the error says."""
    assert converted("select " + "f(" * 30 + "1" + ")" * 30)["statements"]


def test_sql_that_the_parser_never_ends_with_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """This would take minutes."""
    monkeypatch.setattr(convert_sql, "SECONDS_MAX", 0.1)
    with pytest.raises(ToolError, match=r"the SQL takes more than 0\.1 seconds") as refused:
        converted("select " + "lateral (a, " * 25, "teradata", "presto")
    assert refused.value.reason == "TOO_SLOW"


def test_what_the_other_database_has_no_way_to_say_is_the_callers() -> None:
    """Where sqlglot gives up on it."""
    with pytest.raises(ToolError, match="cannot be converted from bigquery to fabric"):
        converted('"b" union all select 1 limit 5', "bigquery", "fabric")


def test_every_dialect_of_the_manifest_is_there() -> None:
    """And all are read."""
    properties = yaml.safe_load((TOOLS / "convert-sql.yaml").read_text())["input_schema"]["properties"]
    assert properties["from"]["enum"] == sorted(map(str.lower, DIALECTS))
    assert set(properties["from"]["enum"]) - set(properties["to"]["enum"]) == {"prql", "dax", "solr"}
    for target in properties["to"]["enum"]:
        assert converted("SELECT a FROM t", "postgres", target)["statements"]
