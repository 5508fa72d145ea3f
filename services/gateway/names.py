"""Names in paths: one that cannot exist is not asked for, it is simply not found."""

import re

from services.runtime.errors import Refusal, invalid

_ACCOUNT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
_SLUG = re.compile(r"[a-z0-9][a-z0-9-]{0,62}", re.ASCII)
_GRANT = re.compile(r"[\x21-\x7e]{1,128}")
_JOB = re.compile(r"job_[a-z2-7]{26}", re.ASCII)


def account_id(text: str) -> str:
    """An account's id; raises ACCOUNT_NOT_FOUND."""
    return _checked(_ACCOUNT, text, "ACCOUNT_NOT_FOUND", "account")


def is_account_id(text: str) -> bool:
    """Whether an account can have this id."""
    return _ACCOUNT.fullmatch(text) is not None


def grant_id(text: str) -> str:
    """A grant's id; raises GRANT_NOT_FOUND."""
    return _checked(_GRANT, text, "GRANT_NOT_FOUND", "grant")


def slug(text: str) -> str:
    """A tool's slug; raises TOOL_NOT_FOUND."""
    return _checked(_SLUG, text, "TOOL_NOT_FOUND", "tool")


def category(text: str) -> str:
    """A category's slug; raises CATEGORY_NOT_FOUND."""
    return _checked(_SLUG, text, "CATEGORY_NOT_FOUND", "category")


def new_slug(text: str) -> str:
    """The slug of something that need not be there yet; raises REQUEST_INVALID."""
    if not _SLUG.fullmatch(text):
        raise invalid("slug", "must be lower-case letters, digits and hyphens, at most 63")
    return text


def job_id(text: str) -> str:
    """A job's id; raises JOB_NOT_FOUND."""
    return _checked(_JOB, text, "JOB_NOT_FOUND", "job")


def _checked(pattern: re.Pattern[str], text: str, reason: str, what: str) -> str:
    if pattern.fullmatch(text):
        return text
    raise Refusal(reason, f"there is no {what} {text[:64]!a}")
