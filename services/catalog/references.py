"""How much the `$ref`s of a JSON Schema lead to.

Each `$ref` is held against a value with all that it leads to, and a few lines in which each definition refers twice to
the next one make billions of that; one that leads back to itself doubles with the depth of the value, which its caller
decides. Both hold up a whole process, so the one is bounded and the other refused.
"""

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

SCHEMAS_MAX = 10_000

# Keywords that hold one schema, several, and several by name, of those that are held against a value.
_ONE = (
    *("additionalProperties", "propertyNames", "unevaluatedProperties", "items", "contains", "unevaluatedItems"),
    *("not", "if", "then", "else"),
)
_SEVERAL = ("allOf", "anyOf", "oneOf", "prefixItems")
_NAMED = ("properties", "patternProperties", "dependentSchemas")
_ELSEWHERE = "$dynamicRef and an $id further in are not taken"


def check(root: Mapping[str, Any]) -> None:
    """Raises ValueError where the references of a schema that compiles lead back, elsewhere, or to too much."""
    try:
        count = _Count(root).below(root)
    except RecursionError as error:
        raise ValueError("its $refs are nested too deeply") from error
    if count > SCHEMAS_MAX:
        raise ValueError(f"its $refs lead to more than {SCHEMAS_MAX} schemas, each counted as often as it is led to")


class _Count:
    """Counts schemas, each target of a reference once and then from memory."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._counted: dict[str, int] = {}
        self._under_way: set[str] = set()

    def below(self, schema: Any) -> int:
        """How many schemas a value is held against."""
        if not isinstance(schema, Mapping):
            return 1
        if "$dynamicRef" in schema or ("$id" in schema and schema is not self._root):
            raise ValueError(_ELSEWHERE)
        count = 1 + sum(map(self.below, _children(schema)))
        return count + self._of(schema["$ref"]) if "$ref" in schema else count

    def _of(self, reference: str) -> int:
        if reference in self._under_way:
            raise ValueError(f"$ref {reference} leads back to itself, which is not taken")
        if reference not in self._counted:
            self._under_way.add(reference)
            self._counted[reference] = self.below(self._target(reference))
            self._under_way.remove(reference)
        return self._counted[reference]

    def _target(self, reference: str) -> Any:
        """What a reference within the document leads to."""
        base, _, fragment = reference.partition("#")
        steps = unquote(fragment).split("/")
        if base or steps[0]:
            raise ValueError(f"$ref {reference} must be # or begin with #/")
        found: Any = self._root
        for step in steps[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            found = found[int(name)] if isinstance(found, list) else found[name]
            is_based_elsewhere = isinstance(found, Mapping) and isinstance(found.get("$id"), str)
            if is_based_elsewhere:
                raise ValueError(_ELSEWHERE)
        return found


def _children(schema: Mapping[str, Any]) -> Iterator[Any]:
    for name in _ONE:
        if name in schema:
            yield schema[name]
    for name in _SEVERAL:
        yield from schema.get(name, ())
    for name in _NAMED:
        yield from schema.get(name, {}).values()
