"""How tools, their prices and states are said in a few words."""

from typing import Any


def price_words(price: dict[str, Any] | None) -> str:
    """`1 + 0.5 per page, at least 2`: what an execution costs."""
    rule = price or {}
    rates = dict(rule.get("rates") or {})
    if rule.get("unit"):
        rates[rule["unit"]] = rule
    parts = [_rate_words(unit, rate) for unit, rate in rates.items() if is_positive(rate.get("per_unit"))]
    if is_positive(rule.get("base")) or not parts:
        parts.insert(0, str(rule.get("base") or "0"))
    text = " + ".join(parts)
    if is_positive(rule.get("minimum")):
        text += f", at least {rule['minimum']}"
    return f"{text}; depends on the input" if rule.get("variants") else text


def _rate_words(unit: str, rate: dict[str, Any]) -> str:
    per = rate.get("per", 1)
    tiers = [f"{tier['per_unit']} beyond {tier['above']:,}" for tier in rate.get("tiers") or ()]
    text = f"{rate['per_unit']} per " + (unit.replace("_", " ") if per == 1 else f"{per:,} {unit.replace('_', ' ')}s")
    return f"{text} ({', '.join(tiers)})" if tiers else text


def is_positive(credit: object) -> bool:
    """Whether a decimal string holds another digit than 0."""
    return any(digit in str(credit or "") for digit in "123456789")


def state(tool: dict[str, Any]) -> str:
    """Whether it can be executed now, else why not."""
    if not tool.get("enabled", True):
        return "disabled"
    if not tool.get("available", True):
        reason = tool.get("unavailable_reason") or "unknown"
        return f"unavailable: {reason}" + (f" {tool.get('secret')}" if reason == "MISSING_SECRET" else "")
    return f"deprecated{successor(tool)}" if tool.get("deprecated") else "available"


def successor(tool: dict[str, Any]) -> str:
    """`: use echo-2`, where a tool names who comes after it."""
    name = (tool.get("deprecated") or {}).get("successor")
    return f": use {name}" if name else ""


def kind(schema: dict[str, Any]) -> str:
    """What a property may be, as short as it can be said: `integer 1…10, else 5`."""
    if schema.get("format") == "scrip-file":
        return f"file {schema.get('contentMediaType', '')}".strip()
    if "enum" in schema:
        said = " | ".join(map(str, schema["enum"]))
    else:
        types = schema.get("type", "any")
        said = " or ".join(map(str, types)) if isinstance(types, list) else str(types)
    low, high = schema.get("minimum"), schema.get("maximum")
    if low is not None or high is not None:
        said += f" {'' if low is None else low}…{'' if high is None else high}"
    return f"{said}, else {schema['default']}" if "default" in schema else said
