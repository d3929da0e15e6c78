"""The classes of entries: how long each is kept, as `audit.yaml` says."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pgerase.compile.audit.bind import DEFAULT_CLASS, SUPPORT_CLASS
from pgerase.compile.audit.bound import BoundCapture
from pgerase.compile.desired import DesiredLogClass
from pgerase.rules.audit import AuditRules, Keep
from pgerase.rules.conditions import Span


def log_classes(rules: AuditRules, captures: Iterable[BoundCapture]) -> Iterator[DesiredLogClass]:
    """The log's own classes, those of tables that are kept otherwise, and that of support access."""
    yield from _of(rules, DEFAULT_CLASS, rules.log.keep)
    bound = {capture.at: capture for capture in captures}
    for capture in rules.captures:
        if capture.keep is not None and capture.at in bound:
            yield from _of(rules, bound[capture.at].keep.name, capture.keep)
    if rules.support is not None:
        yield _class(rules, SUPPORT_CLASS, rules.log.keep.default)


def _of(rules: AuditRules, name: str, keep: Keep) -> Iterator[DesiredLogClass]:
    yield _class(rules, name, keep.default)
    for profile in keep.profiles:
        yield _class(rules, f"{name}.{profile.profile}", profile.keep)


def _class(rules: AuditRules, name: str, keep: Span) -> DesiredLogClass:
    return DesiredLogClass(name, interval_text(keep), rules.log.partition.value, rules.log.ahead)


def interval_text(span: Span) -> str:
    """A length of time as PostgreSQL's interval is written, in ISO 8601."""
    days = f"P{span.months}M{span.days}D"
    return f"{days}T{span.seconds}S" if span.seconds else days


def has_profiles(rules: AuditRules) -> bool:
    """Whether some entries are kept as long as a person's profile says."""
    keeps = [rules.log.keep, *(capture.keep for capture in rules.captures if capture.keep is not None)]
    return any(keep.profiles for keep in keeps)
