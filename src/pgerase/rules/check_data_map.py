"""What the parts of `data_map.yaml` must hold together, as far as no database is needed to see it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from pgerase.errors import Position
from pgerase.rules.data_map import (
    ByIdentifier,
    ByTemplates,
    DataMap,
    DoWord,
    EraseDelete,
    KeepColumn,
    Link,
    MappedTable,
    Of,
    OfLinks,
    OfSelf,
    OfSubject,
    PersonalColumn,
    RecipientKind,
    Redact,
    RetainSubject,
    RowRule,
    RowWord,
    Subject,
    Treatment,
)
from pgerase.rules.names import TableName
from pgerase.rules.reading import Reading, nearest

RESERVED_SUBJECTS = frozenset({"when", "rows", "at", "scan", "self", "any"})
_LINK_OPTIONS = ("when", "rows", "at", "scan")


def resolve_owners(data_map: DataMap, reading: Reading) -> DataMap:
    """The map with every `of:` told apart: a link of the table, or a subject."""
    subjects = {subject.name for subject in data_map.subjects}
    return replace(data_map, tables=tuple(_resolve_table(table, subjects, reading) for table in data_map.tables))


def _resolve_table(table: MappedTable, subjects: set[str], reading: Reading) -> MappedTable:
    columns = tuple(
        replace(column, of=_resolve(column.of, table, subjects, reading))
        if isinstance(column, PersonalColumn)
        else column
        for column in table.columns
    )
    return replace(table, of=_resolve(table.of, table, subjects, reading), columns=columns)


def _resolve(of: Of | None, table: MappedTable, subjects: set[str], reading: Reading) -> Of | None:
    if not isinstance(of, OfLinks):
        return of
    links = {link.path for link in table.links}
    if len(of.links) == 1 and of.links[0] not in links and str(of.links[0]) in subjects:
        return OfSubject(str(of.links[0]), of.at)
    for path in of.links:
        if path not in links:
            hint = nearest(str(path), [*(str(link) for link in links), *subjects, "self", "any"])
            reading.error("unknown-link", f"{path} is no link of {table.table} and no subject", of.at, hint)
        elif len(of.links) == 1 and str(path) in subjects:
            message = f"{path} is a link of {table.table} and a subject as well"
            reading.error("ambiguous", message, of.at, "give the subject another name")
    return of


def check(data_map: DataMap, reading: Reading) -> None:
    """Everything that needs the whole file; see the functions below."""
    for subject in data_map.subjects:
        _check_subject(subject, reading)
    _check_subject_tables(data_map, reading)
    for table in data_map.tables:
        with reading.within("tables"), reading.within(str(table.table)):
            _check_table(table, data_map, reading)
    _check_uses(data_map, reading)
    _check_retention(data_map, reading)


def _check_subject(subject: Subject, reading: Reading) -> None:
    with reading.within("subjects"), reading.within(subject.name):
        if subject.name in RESERVED_SUBJECTS:
            reading.error("reserved-word", f"{subject.name} is reserved and no name for a subject", subject.at)
        key = {column.column for column in subject.key}
        for identifier in subject.identifiers:
            if identifier.name == "key":
                reading.error("reserved-word", "key is the subject's key and no identifier", identifier.at)
        for column, value in subject.ghost.values if subject.ghost else ():
            if column not in key:
                hint = nearest(column, key)
                reading.error("unknown-column", f"{column} is no column of the key of {subject.name}", value.at, hint)


def _check_subject_tables(data_map: DataMap, reading: Reading) -> None:
    """A subject has one table, mapped as its own, and no other table claims it."""
    claimed: dict[str, MappedTable] = {}
    subjects = {subject.name: subject for subject in data_map.subjects}
    for table in data_map.tables:
        if table.subject is None:
            continue
        subject = subjects.get(table.subject)
        if subject is None:
            hint = nearest(table.subject, subjects)
            reading.error("unknown-subject", f"there is no subject {table.subject}", table.at, hint)
            continue
        if subject.table is None or not may_be_same(subject.table, table.table):
            where = f"is that of {subject.table}" if subject.table else "has no table"
            reading.error("other-table", f"{table.table} is not the table of {subject.name}, which {where}", table.at)
        if subject.name in claimed:
            message = f"{subject.name} has a table already: {claimed[subject.name].table}"
            reading.error("duplicate-name", message, table.at)
        claimed.setdefault(subject.name, table)


def may_be_same(first: TableName, second: TableName) -> bool:
    """Whether two names may be of one table; a name without schema may be in any."""
    return first.name == second.name and (None in (first.schema, second.schema) or first.schema == second.schema)


def _check_table(table: MappedTable, data_map: DataMap, reading: Reading) -> None:
    subjects = {subject.name: subject for subject in data_map.subjects}
    for link in table.links:
        subject = subjects.get(link.subject)
        if subject is None:
            hint = nearest(link.subject, [*subjects, *_LINK_OPTIONS])
            reading.error("unknown-subject", f"there is no subject {link.subject}", link.at, hint)
        else:
            _check_link(link, subject, reading)
        if link.rows is None and table.rows is None:
            message = f"nothing says what becomes of the rows of {table.table} that hang on {link.path}"
            reading.error("no-rows", message, link.at, "add rows: to the link or the table")
    if table.subject is not None and table.rows is None:
        reading.error(
            "no-rows", f"nothing says what becomes of a person's own row in {table.table}", table.at, "add rows: keep"
        )
    if (table.rows is not None or table.of is not None) and table.subject is None and not table.links:
        reading.error("no-links", f"{table.table} belongs to nobody: it has neither subject nor links", table.at)
    if isinstance(table.of, OfSelf) and table.subject is None:
        reading.error("no-subject", f"{table.table} is no subject's table, so its columns are not of self", table.of.at)
    _check_columns(table, reading)
    for files in table.files:
        recipients = {recipient.name: recipient for recipient in data_map.recipients}
        recipient = recipients.get(files.recipient)
        if recipient is None:
            hint = nearest(files.recipient, recipients)
            reading.error("unknown-recipient", f"there is no recipient {files.recipient}", files.at, hint)
        elif recipient.kind is not RecipientKind.FILES:
            message = f"{files.recipient} is a recipient of the kind {recipient.kind}, not files"
            reading.error("wrong-recipient", message, files.at)
    if any(none.matches(table.table) for none in data_map.none):
        reading.error("mapped-and-none", f"{table.table} is listed under none: as well", table.at)


def _check_link(link: Link, subject: Subject, reading: Reading) -> None:
    known = {identifier.name for identifier in subject.identifiers}
    match link.by:
        case ByIdentifier(name) if name not in known:
            hint = nearest(name, known | {"key"})
            reading.error("unknown-identifier", f"{subject.name} has no identifier {name}", link.at, hint)
        case ByTemplates(templates):
            known |= {column.column for column in subject.key} | {"key"}
            for template in templates:
                for placeholder in template.template.placeholders:
                    if placeholder.name not in known or placeholder.argument is not None:
                        hint = nearest(placeholder.name, known)
                        message = f"{placeholder.name} is neither key nor identifier of {subject.name}"
                        reading.error("unknown-placeholder", message, template.template.at, hint)
                if template.is_suffix and not link.scan:
                    message = "a * at the beginning cannot use an index"
                    reading.error("needs-scan", message, template.template.at, "add scan: true to the link")
        case _:
            pass


def _check_columns(table: MappedTable, reading: Reading) -> None:
    paths = {link.path for link in table.links}
    for column in table.columns:
        if not isinstance(column, PersonalColumn):
            continue
        if isinstance(column.of, OfSelf) and table.subject is None:
            reading.error(
                "no-subject", f"{table.table} is no subject's table, so {column.column} is not of self", column.of.at
            )
        if column.of is None and table.of is None and table.subject is None and len(paths) != 1:
            count = "several links" if paths else "no link"
            message = f"whose {column.column} is has to be said: {table.table} has {count}"
            reading.error("whose", message, column.at, "add of: to the column or the table")
        if not column.erase and not _always_deletes(table):
            message = f"nothing says what becomes of {column.column}, and rows of {table.table} may stay"
            reading.error("missing-key", message, column.at, "add erase:")
        for of in (column.of, table.of):
            if isinstance(of, OfSubject) and of.subject not in {link.subject for link in table.links} | {table.subject}:
                reading.error("unknown-link", f"no link of {table.table} leads to {of.subject}", of.at)


def _always_deletes(table: MappedTable) -> bool:
    """Whether whatever rule decides, the row goes, and its columns with it."""
    of_links = [link.rows if link.rows is not None else table.rows for link in table.links]
    of_subject = [table.rows] if table.subject is not None else []
    rules = [rule for rows in (*of_links, *of_subject) for rule in rows or ()]
    return bool(rules) and all(
        isinstance(rule.do, EraseDelete) or (isinstance(rule.do, DoWord) and rule.do.word is RowWord.DELETE)
        for rule in rules
    )


def _check_uses(data_map: DataMap, reading: Reading) -> None:
    """Identifiers that redactions and recipients name belong to some subject."""
    known = {identifier.name for subject in data_map.subjects for identifier in subject.identifiers}
    for recipient in data_map.recipients:
        for name in recipient.needs:
            if name not in known:
                reading.error(
                    "unknown-identifier", f"no subject has an identifier {name}", recipient.at, nearest(name, known)
                )
    for treatment in _treatments(data_map):
        if isinstance(treatment, Redact):
            for name in treatment.identifiers or ():
                if name not in known:
                    hint = nearest(name, known)
                    reading.error("unknown-identifier", f"no subject has an identifier {name}", treatment.at, hint)


def _treatments(data_map: DataMap) -> Iterator[Treatment]:
    for table in data_map.tables:
        for column in table.columns:
            if isinstance(column, PersonalColumn):
                yield from _nested(column.erase)
        for rows in (table.rows, *(link.rows for link in table.links)):
            yield from _of_rows(rows or ())
    for profile in data_map.profiles:
        for override in profile.tables:
            yield from _of_rows(override.rows or ())
            for column in override.columns:
                yield from _nested(column.erase)


def _of_rows(rows: tuple[RowRule, ...]) -> Iterator[Treatment]:
    for rule in rows:
        for column in rule.columns:
            yield from _nested(column.treatments)


def _nested(treatments: tuple[Treatment, ...]) -> Iterator[Treatment]:
    for treatment in treatments:
        yield treatment
        if isinstance(treatment, KeepColumn):
            yield from _nested(treatment.then)


def _check_retention(data_map: DataMap, reading: Reading) -> None:
    subjects = {subject.name for subject in data_map.subjects}
    first: dict[str, Position] = {}
    for rule in data_map.retention:
        if rule.name in first:
            hint = f"the first is at {first[rule.name]}"
            reading.error("duplicate-name", f"there are two retention rules of the name {rule.name}", rule.at, hint)
        first.setdefault(rule.name, rule.at)
        if isinstance(rule.what, RetainSubject) and rule.what.subject not in subjects:
            hint = nearest(rule.what.subject, subjects)
            reading.error("unknown-subject", f"there is no subject {rule.what.subject}", rule.at, hint)
