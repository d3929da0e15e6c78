"""What the parts of `audit.yaml` must hold together, alone and beside the pack's other files, as far as no database is needed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from pgerase.errors import Finding, Position, Severity
from pgerase.rules import check_access
from pgerase.rules.access import AccessRules, IdentityKind
from pgerase.rules.audit import AuditRules, Capture, Keep, OpenedLink, Period, Support
from pgerase.rules.check_data_map import may_be_same
from pgerase.rules.conditions import Span
from pgerase.rules.data_map import DataMap
from pgerase.rules.names import Step, TableColumns
from pgerase.rules.reading import Reading, nearest

# Of a month that is as short as months get, so that neither 30 days nor 1 month is refused for a month's partitions.
_SHORTEST = {Period.DAY: 1, Period.WEEK: 7, Period.MONTH: 28}
_LONGEST = {Period.DAY: "a day", Period.WEEK: "a week", Period.MONTH: "a month"}
_PROOF_AGAINST_FORGING = (IdentityKind.TOKEN, IdentityKind.ROLE)
_LONGEST_ACCESS = 7
"""Days of access to one person's data that one reason may give before it is worth a thought."""
# 36 months, with a leap day.
_MOST_DAYS = 1096
_AVERAGE_MONTH = 30.4375


def check_columns(given: Iterable[tuple[str, Position, str]], reading: Reading) -> None:
    """A column of a captured table is left out, masked or kept apart: one of them, once. Each with its key in the file."""
    first: dict[str, tuple[Position, str]] = {}
    for name, at, key in given:
        if name in first:
            where, other = first[name]
            said = (
                f"{name} is given twice"
                if other == key
                else f"{name} is under {other} already, and under {key} as well"
            )
            reading.error("duplicate-name", said, at, f"the first is at {where}")
        else:
            first[name] = (at, key)


def check_repeated(links: Iterable[OpenedLink], reading: Reading) -> None:
    """A link is named once."""
    first: dict[TableColumns, Position] = {}
    for link in links:
        if link.columns in first:
            message = f"{link.columns} is given twice"
            reading.error("duplicate-name", message, link.at, f"the first is at {first[link.columns]}")
        first.setdefault(link.columns, link.at)


def check(rules: AuditRules, reading: Reading) -> None:
    """Nothing is to be gone before the partition that it is in; a table is captured, or left out on purpose."""
    captured = {capture.table: capture.at for capture in rules.captures}
    for one in rules.uncaptured:
        exact = next((table for table in captured if str(table) == str(one.tables)), None)
        if exact is not None:
            message = f"{exact} is captured, and left out on purpose as well"
            with reading.within("uncaptured"):
                reading.error("duplicate-name", message, one.at, f"it is captured at {captured[exact]}")
    period = rules.log.partition
    for part, keep in _keeps(rules):
        for about, span, at in _lengths(keep):
            if _days(span, _SHORTEST[Period.MONTH]) < _SHORTEST[period]:
                with reading.within(part):
                    message = f"{about} are kept for less than {_LONGEST[period]}, which a partition covers"
                    hint = "entries go with their partition: choose a shorter partition (log.partition), or keep longer"
                    reading.error("keep-too-short", message, at, hint)
    _check_access_ends(rules, reading)


def _check_access_ends(rules: AuditRules, reading: Reading) -> None:
    """What there was of support access is known for as long as entries are kept: it has to be over, and reviewed, by then."""
    support = rules.support
    if support is None:
        return
    glass = support.break_glass
    review = 0.0 if glass is None or glass.review_within is None else _days(glass.review_within, _AVERAGE_MONTH)
    longest = _days(support.longest, _AVERAGE_MONTH)
    if longest + review > _days(rules.log.keep.default, _SHORTEST[Period.MONTH]):
        at = support.longest_at if glass is None or longest >= review else glass.review_at
        message = "support access may go on, or wait for its review, for longer than what the log says of it is kept (log.keep)"
        hint = "shorten longest: (4 hours is the default) and review_within:, or keep entries longer"
        with reading.within("support"):
            reading.error("access-too-long", message, at, hint)


def check_beside_access(rules: AuditRules, access: AccessRules | None, reading: Reading) -> None:
    """Support access is for viewers who cannot pretend to be others, and its conditions name what there is."""
    support = rules.support
    if support is None:
        return
    with reading.within("support"):
        viewers = access.viewers if access is not None else None
        if access is None or viewers is None:
            message = "support access is for viewers, and there are none"
            reading.error(
                "no-viewers", message, support.at, "access.yaml: viewers: {table: …, key: …, identity: token}"
            )
            return
        if viewers.identity.kind not in _PROOF_AGAINST_FORGING:
            message = f"support access needs to know who it is for certain, and identity: {viewers.identity.kind} can be forged"
            reading.error(
                "forgeable-identity", message, support.at, f"identity: token or role, at {viewers.identity.at}"
            )
        given = (support.who, support.break_glass.who if support.break_glass is not None else None)
        check_access.check_conditions(access, [condition for condition in given if condition is not None], reading)


def check_beside_map(rules: AuditRules, data_map: DataMap | None, reading: Reading) -> None:
    """Whoever is spoken of as a person, a link or a profile is one of the data map."""
    for part, keep in _keeps(rules):
        with reading.within(part):
            _check_profiles(keep, data_map, reading)
    for capture in rules.captures:
        with reading.within("capture"), reading.within(str(capture.table)):
            _check_personal(capture, data_map, reading)
    if rules.support is not None:
        with reading.within("support"):
            _check_support(rules.support, data_map, reading)


_MAP_HINT = "add data_map.yaml: it says who is a person"


def _check_profiles(keep: Keep, data_map: DataMap | None, reading: Reading) -> None:
    known = [profile.name for profile in data_map.profiles] if data_map is not None else []
    for profile in keep.profiles:
        if profile.profile not in known:
            hint = nearest(profile.profile, known) or "profiles are declared in data_map.yaml, under profiles:"
            reading.error("unknown-profile", f"there is no profile {profile.profile}", profile.at, hint)


def _check_personal(capture: Capture, data_map: DataMap | None, reading: Reading) -> None:
    if data_map is None:
        for column in capture.personal:
            message = f"{column.column} is kept apart for a person, and there is no data map"
            reading.error("no-data-map", message, column.at, _MAP_HINT)
        return
    subjects = [subject.name for subject in data_map.subjects]
    for column in capture.personal:
        if column.subject is not None and column.subject not in subjects:
            hint = nearest(column.subject, subjects)
            reading.error("unknown-subject", f"there is no subject {column.subject}", column.whose_at, hint)


def _check_support(support: Support, data_map: DataMap | None, reading: Reading) -> None:
    if data_map is None:
        message = "support access is to one person's data, and there is no data map"
        reading.error("no-data-map", message, support.at, _MAP_HINT)
        return
    tables = [subject.table for subject in data_map.subjects if subject.table is not None]
    if not tables:
        message = "support access is to one person's data, and no subject of the data map has a table"
        reading.error("no-subject", message, support.at, "subjects: {employee: {table: …, key: …}}")
    known = list(_links(data_map))
    for link in support.links:
        wanted = link.columns
        if not any(wanted.columns == other.columns and may_be_same(wanted.table, other.table) for other in known):
            hint = nearest(str(wanted), map(str, known)) or "links are declared in data_map.yaml, under tables:"
            reading.error("unknown-link", f"{wanted} is no link of the data map", link.at, hint)
    if support.switch is not None and tables and not any(may_be_same(support.switch.table, table) for table in tables):
        message = f"{support.switch} is no column of a person's own row"
        hint = f"people's own rows are in {', '.join(map(str, tables))}"
        reading.error("other-table", message, support.switch_at, hint)


def _links(data_map: DataMap) -> Iterator[TableColumns]:
    """The links of the data map that are columns of the table itself."""
    for table in data_map.tables:
        for link in table.links:
            match link.path.steps:
                case (Step(columns),):
                    yield TableColumns(table.table, columns)
                case _:
                    pass


def advice(rules: AuditRules) -> tuple[Finding, ...]:
    """What can be done, and should be thought about."""
    found: list[Finding] = []
    if not rules.captures and not rules.uncaptured and rules.support is None:
        message = "audit.yaml names no table: nothing is captured"
        hint = 'name tables under capture:, or say why none is: uncaptured: {"cs.*": "…"}'
        found.append(_advice("nothing-captured", Severity.WARNING, "capture", message, hint, rules.at))
    for part, keep in _keeps(rules):
        for about, span, at in _lengths(keep):
            if _days(span, _AVERAGE_MONTH) > _MOST_DAYS:
                message = f"{about} are kept for more than 36 months"
                hint = (
                    "logs of who did what are kept for 6 to 12 months, up to three years on documented grounds (CNIL 2021-122);"
                    " where the law wants more, say so: {default: …, because: …}"
                )
                if keep.because:
                    # Somebody has decided it: who reads the rules, or what check says, is told why.
                    message, hint = f"{message}, because: {keep.because}", ""
                severity = Severity.NOTE if keep.because else Severity.WARNING
                found.append(_advice("long-keep", severity, part, message, hint, at))
    support = rules.support
    if support is not None and support.announce.notify is None and support.announce.webhook_env is None:
        message = "support access is announced to no team: it is in the log and the outbox only"
        hint = "announce: {notify: true} or {webhook_env: SUPPORT_WEBHOOK_URL}"
        found.append(_advice("unannounced", Severity.NOTE, "support.announce", message, hint, support.announce.at))
    if support is not None and _days(support.longest, _AVERAGE_MONTH) > _LONGEST_ACCESS:
        message = f"one reason opens a person's data for more than {_LONGEST_ACCESS} days"
        hint = "longest: 4 hours is the default; who needs more opens access again, and says why"
        found.append(_advice("long-access", Severity.WARNING, "support.longest", message, hint, support.longest_at))
    seal = rules.seal
    if seal is not None and seal.anchor_file is None and seal.anchor_webhook_env is None:
        message = "checkpoints stay in the database: whoever can cut off the end of the log can cut them off too"
        hint = "anchor: {file: anchors.jsonl} or {webhook_env: …}"
        found.append(_advice("no-anchor", Severity.NOTE, "seal", message, hint, seal.at))
    return tuple(found)


def _advice(code: str, severity: Severity, subject: str, message: str, hint: str, at: Position) -> Finding:
    return Finding(code, severity, subject, message, hint, at)


def _keeps(rules: AuditRules) -> Iterator[tuple[str, Keep]]:
    yield "log.keep", rules.log.keep
    for capture in rules.captures:
        if capture.keep is not None:
            yield f"capture.{capture.table}.keep", capture.keep


def _lengths(keep: Keep) -> Iterator[tuple[str, Span, Position]]:
    yield "entries", keep.default, keep.at
    for profile in keep.profiles:
        yield f"entries about people of {profile.profile}", profile.keep, profile.at


def _days(span: Span, month: float) -> float:
    return span.months * month + span.days + span.seconds / 86400
