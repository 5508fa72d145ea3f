"""The catalog's refusals of tools, manifests, categories, quotes and sizes, each with its numbers."""

from collections.abc import Sequence

from services.catalog.manifests.manifest import Problem
from services.catalog.quotes import Claims
from services.catalog.schemas import cut
from services.catalog.tool import ToolVersion
from services.runtime import clock
from services.runtime.errors import Refusal, Violation

SLUGS_TOLD_MAX = 10


def tool_not_found(slug: str, version: int = 0) -> Refusal:
    """There is no such tool, or not in this version."""
    named = f"{slug} in version {version}" if version else slug
    return Refusal("TOOL_NOT_FOUND", f"there is no tool {named[:100]}", {"tool": slug[:100]})


def manifest_invalid(problems: Sequence[Problem]) -> Refusal:
    """A manifest with mistakes; each is told with its line and path."""
    first = problems[0]._replace(what=cut(problems[0].what))
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    violations = [
        Violation(cut(one.path), cut(f"line {one.line}: {one.what}" if one.line else one.what)) for one in problems
    ]
    text = f"the manifest is wrong, line {first}{more}" if first.line else f"the manifest is wrong: {first}{more}"
    return Refusal("MANIFEST_INVALID", text, {"problems": len(problems)}, violations)


def price_invalid(problems: Sequence[Problem]) -> Refusal:
    """A price that is none."""
    violations = [Violation(f"price.{one.path}" if one.path else "price", cut(one.what)) for one in problems]
    first = violations[0]
    metadata = {"field": first.field}
    return Refusal("REQUEST_INVALID", f"{first.field}: {first.message}", metadata, violations)


def category_not_found(slug: str) -> Refusal:
    """There is no such category."""
    return Refusal("CATEGORY_NOT_FOUND", f"there is no category {slug[:100]}", {"category": slug[:100]})


def category_in_use(slug: str, tools: Sequence[str]) -> Refusal:
    """A category that tools are in stays."""
    more = f" and {len(tools) - SLUGS_TOLD_MAX} more" if len(tools) > SLUGS_TOLD_MAX else ""
    told = ", ".join(tools[:SLUGS_TOLD_MAX])
    text = f"category {slug} has {len(tools)} tools: {told}{more}"
    return Refusal("CATEGORY_IN_USE", text, {"category": slug, "tools": len(tools)})


def tool_disabled(slug: str) -> Refusal:
    """The operator switched the tool off."""
    return Refusal("TOOL_DISABLED", f"{slug} is switched off", {"tool": slug})


def tool_unavailable(version: ToolVersion, reason: str) -> Refusal:
    """No executor can run this version now."""
    lacks = f", {version.content.secret}" if reason == "MISSING_SECRET" else ""
    return Refusal(
        "TOOL_UNAVAILABLE",
        f"{version.slug} cannot run now: {reason}{lacks}",
        {"tool": version.slug, "version": version.version, "unavailable_reason": reason, "retry_after_seconds": 10},
    )


def too_large(what: str, limit: int, actual: int, unit: str) -> Refusal:
    """The input is larger than what is taken."""
    return Refusal(
        "INPUT_TOO_LARGE",
        f"{what} has {actual} {unit}s, at most {limit} are taken",
        {"limit": limit, "actual": actual, "unit": unit},
    )


def quote_malformed() -> Refusal:
    """Not a token that a key of ours signed."""
    return Refusal("QUOTE_MALFORMED", "quote_id is not a quote of this catalog")


def quote_expired(claims: Claims) -> Refusal:
    """The quote was good until a time that has passed."""
    expired_at = clock.from_us(claims.expires_at_us).isoformat().replace("+00:00", "Z")
    return Refusal("QUOTE_EXPIRED", f"the quote was good until {expired_at}", {"expired_at": expired_at})


def quote_other_account() -> Refusal:
    """Another account's quote; nothing of it is told."""
    return Refusal("QUOTE_OTHER_ACCOUNT", "there is no such quote")


def quote_other_input(claims: Claims) -> Refusal:
    """The quote priced another tool or another input."""
    return Refusal(
        "QUOTE_OTHER_INPUT",
        f"the quote is for another input of {claims.tool}",
        {"tool": claims.tool, "input_digest": claims.input_digest},
    )
