"""What a call of a provider must say: that all it refers to is there, and that its parts go together."""

from collections.abc import Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from services.catalog.manifests import request_rules
from services.catalog.manifests.http_run import HttpRun, RequestPart
from services.catalog.manifests.measure import FromResponse, measures_of
from services.catalog.manifests.request_rules import Problem
from services.runtime import expressions, templates

if TYPE_CHECKING:
    from services.catalog.manifests.manifest import Manifest

ASKING = frozenset({"input"})
_ANSWERED = ASKING | {"status", "headers", "body", "submitted", "polled"}
_FOUND = ASKING | {"status", "headers", "body", "job"}
_READ = _ANSWERED | {"files"}
_MEASURED = _READ | {"output"}
_STOPPED = frozenset({"submitted"})
# Who asks for work that is waited for may name where it can be called back.
_CALLED_BACK = frozenset({"webhook"})
# Who asks for work may name the job, and find it by that again.
_NAMED = frozenset({"job"})
_STREAMED = frozenset({"text", "stopped"})
# What can be counted in a text as it comes.
_METERED = ("token", "input_token", "output_token", "character")


def problems(
    manifest: "Manifest", run: HttpRun, properties: Collection[str] | None, output_schema: Mapping[str, Any] | None
) -> Iterator[Problem]:
    """Every mistake, as path and text; `properties` of the input and `output_schema` are None where not known."""
    yield from request_rules.problems(run)
    streamed = _STREAMED if run.response.stream else frozenset()
    for unit, used in measures_of(manifest.measure).items():
        if isinstance(used, FromResponse):
            where = f"measure.units.{unit}.value" if unit else "measure.value"
            yield from names(where, used.value, _MEASURED | streamed, properties)
    for where, texts, roots in _expressions(run):
        for text in texts:
            yield from names(where, text, roots, properties)
    if run.auth and run.auth.place == "sigv4" and any(one and one.multipart for one in (run.request, run.upload)):
        yield "run.auth.place", "sigv4 cannot sign multipart"
    if run.result and not run.poll:
        yield "run.result", "needs poll: it is asked for when the work is done"
    if run.cancel and not run.poll:
        yield "run.cancel", "needs poll: it stops work that is waited for"
    yield from _inspect(run)
    yield from _stream(manifest, run)
    if output_schema is not None:
        yield from _output(output_schema, run)


def _stream(manifest: "Manifest", run: HttpRun) -> Iterator[Problem]:
    """What is passed on as it comes must come so, and in units that can be counted on the way."""
    if run.response.stream is None:
        return
    if run.response.read not in ("sse", "ndjson"):
        yield "run.response.stream", "needs read: sse or ndjson"
    if run.poll:
        yield "run.response.stream", "cannot be where there is poll"
    for unit, used in measures_of(manifest.measure).items():
        if isinstance(used, FromResponse) and (unit or manifest.price.unit) not in _METERED:
            where = f"measure.units.{unit}" if unit else "price.unit"
            yield where, f"must be {' or '.join(_METERED)}, which can be counted while the answer comes"


def _inspect(run: HttpRun) -> Iterator[Problem]:
    """Work is looked for by what it was given, and what is found is read as the answer to the request."""
    inspect = run.inspect
    if inspect is None:
        return
    for where, request in (("run.request", run.request), ("run.inspect.request", inspect.request)):
        if not any("job" in _roots(expressions.compiled(text).parsed) for text in _of_request(request)):
            yield where, "must have ${job.id}, by which run.inspect finds the work"
    if run.retry != "unsafe":
        yield "run.inspect", "needs retry: unsafe; a call that may happen again is made again"
    if run.poll and inspect.under_way:
        yield "run.inspect.under_way", "must not be where there is poll, which tells that"
    if run.response.read != "json" and not run.poll:
        yield "run.inspect", "needs read: json, or poll: what is found is read in the place of the answer"


def _expressions(run: HttpRun) -> Iterator[tuple[str, list[str], frozenset[str] | None]]:
    """Where, the expressions there, and what these may look at; None: at whatever a provider says."""
    asked, answered = ASKING, _ANSWERED
    if run.upload:
        yield "run.upload", list(_of_request(run.upload)), ASKING | _NAMED
        asked = asked | {"uploaded"}
        if not run.inspect:
            # Who finds work by the job's id does not know what was uploaded for it.
            answered = answered | {"uploaded"}
    yield "run.request", list(_of_request(run.request)), asked | _NAMED | (_CALLED_BACK if run.poll else frozenset())
    if run.inspect:
        inspect = run.inspect
        yield "run.inspect.request", list(_of_request(inspect.request)), ASKING | _NAMED
        found = [text for text in (inspect.absent, inspect.work, inspect.under_way) if text]
        yield "run.inspect", found, _FOUND
    if run.poll:
        yield "run.poll.request", list(_of_request(run.poll.request)), answered
        yield "run.poll", [text for text in (run.poll.status, run.poll.message) if text], answered
    if run.result:
        yield "run.result", list(_of_request(run.result)), answered
    if run.cancel:
        yield "run.cancel", list(_of_request(run.cancel)), _STOPPED
    response = run.response
    streamed = _STREAMED if response.stream else frozenset()
    if stream := response.stream:
        events = (stream.text, stream.done, stream.failed, stream.usage.input, stream.usage.output)
        yield "run.response.stream", [text for text in events if text], None
    yield "run.response.output", list(templates.expressions(response.output)), _READ | streamed
    others = [response.refused, response.failed, response.message, *response.fetch.values(), run.request_id]
    yield "run.response", [text for text in others if text], _ANSWERED | streamed
    errors = [text for rule in run.errors for text in (rule.when, rule.message) if text]
    yield "run.errors", errors, _ANSWERED


def _of_request(request: RequestPart) -> Iterator[str]:
    parts = (request.url, request.headers, request.query, request.json_, request.form, request.multipart, request.raw)
    for template in parts:
        yield from templates.expressions(template)


def names(where: str, text: str, roots: frozenset[str] | None, properties: Collection[str] | None) -> Iterator[Problem]:
    """What an expression calls and looks at must be there, and of the input, in its schema; None: whatever it is."""
    tree = expressions.compiled(text).parsed
    for what in expressions.miscalls(tree):
        yield where, f"`{text}` {what}"
    if _has_loose_not(tree):
        yield where, f"`{text}` is read as (!a).b, which is never true; write !(a.b)"
    if roots is None:
        return
    for root in sorted(_roots(tree)):
        if root not in roots:
            yield where, f"`{text}` looks at {root}; here there is {', '.join(sorted(roots))}"
    for name in sorted(set(_members(tree, "input"))):
        if properties is not None and name not in properties:
            yield where, f"`{text}` looks at input.{name}, which input_schema does not have"
    for name in sorted(set(_members(tree, "job")) - {"id"}):
        yield where, f"`{text}` looks at job.{name}; of the job there is job.id"


def _has_loose_not(tree: Any) -> bool:
    if not isinstance(tree, dict):
        return False
    children = tree.get("children", ())
    if (
        tree.get("type") == "subexpression"
        and isinstance(children[0], dict)
        and children[0]["type"] == "not_expression"
    ):
        return True
    return any(map(_has_loose_not, children))


def _roots(tree: Any) -> set[str]:
    """The names an expression starts from; what follows a step is relative to that."""
    match tree:
        case {"type": "field", "value": name}:
            return {name}
        case {"type": "subexpression" | "index_expression" | "pipe", "children": [first, *_]}:
            return _roots(first)
        case {"type": "projection" | "value_projection" | "filter_projection" | "flatten", "children": [first, *_]}:
            return _roots(first)
        case {"type": "multi_select_dict" | "key_val_pair" | "function_expression" | "multi_select_list"}:
            return set().union(*map(_roots, tree["children"])) if tree["children"] else set()
        case {"type": "or_expression" | "and_expression" | "not_expression" | "comparator"}:
            return set().union(*map(_roots, tree["children"]))
        case _:
            # Literals; and what is evaluated item by item, which is relative.
            return set()


def _members(tree: Any, root: str) -> Iterator[str]:
    """The members of `root` that an expression looks at."""
    if not isinstance(tree, dict):
        return
    children = tree.get("children", ())
    if tree.get("type") == "subexpression" and _is_field(children[0], root):
        yield from (child["value"] for child in children[1:2] if child.get("type") == "field")
        return
    for child in children:
        yield from _members(child, root)


def _is_field(tree: Any, name: str) -> bool:
    return isinstance(tree, dict) and tree.get("type") == "field" and tree.get("value") == name


def _output(schema: Mapping[str, Any], run: HttpRun) -> Iterator[Problem]:
    properties = schema.get("properties", {})
    for name in run.response.output:
        if properties and name not in properties:
            yield f"run.response.output.{name}", "is not in output_schema"
    for name in schema.get("required", ()):
        if name not in run.response.output:
            yield "run.response.output", f"lacks {name}, which output_schema requires"
