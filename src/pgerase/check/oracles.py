"""What is told without being shown: by errors about keys, by actions of foreign keys; and the price of not telling, in indexes."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from pgerase.catalog.model import ForeignKey, Index, LeakyKey, Name, Policy, Table
from pgerase.check.door import Door
from pgerase.check.door_codes import Code
from pgerase.check.look import Look
from pgerase.check.spelling import in_sql, roles_in_sql, spell, table_in_sql
from pgerase.errors import Severity

_ACTIONS = {"c": "CASCADE", "n": "SET NULL", "d": "SET DEFAULT"}
_TEXT = frozenset({"text", "character varying", "character", "citext", "name", "inet", "cidr", "macaddr"})
_DRAWN = re.compile(r"\b(nextval|gen_random_uuid|uuid_generate_v\w+|uuidv[47])\(")
_WORD = re.compile(r"\w+")


def oracles(look: Look, personal: Mapping[Name, Collection[str]], shown: frozenset[Name]) -> Iterator[Door]:
    """Doors that are unique indexes, foreign keys, and indexes that people's conditions cannot use."""
    open_to_all = shown | {name for name in look.roots if look.shown_whole(look.catalog.tables[name])}
    for name in look.roots:
        table = look.catalog.tables[name]
        if name not in open_to_all:
            for index in table.indexes:
                yield from _unique(look, table, index, frozenset(personal.get(name, ())))
        if not look.shown_whole(table):
            yield from _leaky(table)
        for key in table.foreign_keys:
            if key.target in look.covered and key.target not in open_to_all:
                yield from _foreign_key(look, table, key)
            yield from _action(table, key)


# Who may try keys.


def _open_commands(look: Look, table: Table) -> frozenset[str]:
    """INSERT and UPDATE, as far as a policy lets viewers do it."""
    return frozenset(
        command
        for policy in table.policies
        if policy.permissive and look.for_viewers(policy.roles)
        for command in ("INSERT", "UPDATE")
        if policy.command in ("ALL", command)
    )


def _writers(look: Look, table: Table, columns: Collection[str]) -> tuple[str, ...]:
    """Roles in viewers' hands that may choose values of one of these columns."""
    commands = _open_commands(look, table)
    return tuple(
        sorted(
            {
                grant.grantee
                for grant in table.grants
                if grant.privilege in commands
                and grant.grantee != table.owner
                and grant.grantee in look.in_viewers_hands
                and (grant.column is None or grant.column in columns)
            }
        )
    )


def _take_right(table: Table, writers: tuple[str, ...]) -> str:
    return f"revoke insert, update on {table_in_sql(table.name)} from {roles_in_sql(writers)};"


def _is_drawn(table: Table, column: str) -> bool:
    """Whether the value is counted or drawn, so that guessing it fails or tells nothing worth knowing."""
    found = table.column(column)
    return found is not None and (
        found.identity != "" or found.base_type == "uuid" or bool(_DRAWN.search(found.default or ""))
    )


def _unique(look: Look, table: Table, index: Index, personal: frozenset[str]) -> Iterator[Door]:
    """A key with a column that is drawn is no oracle; one with a column that leads elsewhere asks within what it leads to."""
    if not index.unique:
        return
    keys = index.columns[: index.key_count]
    columns = [column for column in keys if column is not None]
    if any(_is_drawn(table, column) for column in columns):
        return
    # What an expression is made of is not recorded: any word of it may be a column.
    behind = set(columns) if None not in keys else set(_WORD.findall(index.definition)) | set(columns)
    writers = _writers(look, table, behind & {column.name for column in table.columns})
    if not writers:
        return
    named = sorted(behind & personal)
    scoped = any(set(columns) & set(key.columns) for key in table.foreign_keys)
    natural = None in keys or any(
        found.base_type in _TEXT for column in columns if (found := table.column(column)) is not None
    )
    what = (
        f"personal data ({', '.join(named)})"
        if named
        else "a key with a meaning"
        if natural
        else "a key that can be tried"
    )
    yield Door(
        Code.UNIQUE_ORACLE,
        "unique_oracle",
        spell(table.name, index.name),
        Severity.WARNING if (named or natural) and not scoped else Severity.NOTE,
        f"unique index {index.name} on {spell(table.name)} is over {what}: whoever writes the table as {', '.join(writers)} learns"
        " from an error whether a hidden row has a value.",
        "Put what the rules go by (a tenant, an owner) first into the key, or let nobody choose it: a column of its own that is"
        " drawn. Where people need not write the table",
        _take_right(table, writers),
        (table.name,),
    )


def _foreign_key(look: Look, table: Table, key: ForeignKey) -> Iterator[Door]:
    writers = _writers(look, table, key.columns)
    requirements = [policy for policy in table.policies if look.own.made_policy(policy)]
    asked = all(
        any(_asks_for(policy, command, key) for policy in requirements) for command in _open_commands(look, table)
    )
    if writers and not asked:
        yield Door(
            Code.FOREIGN_KEY_ORACLE,
            "foreign_key_oracle",
            spell(table.name, key.name),
            Severity.NOTE,
            f"a key that {', '.join(writers)} writes into {spell(table.name)} is taken if a row of {spell(key.target)} has it, visible"
            " or not, and refused by another error if none has.",
            "Let a requirement of the child ask for the parent ({can: read} on the lookup), or where people need not write the"
            " table",
            _take_right(table, writers),
            (table.name,),
        )


def _asks_for(policy: Policy, command: str, key: ForeignKey) -> bool:
    """Whether a requirement on new rows speaks of the key: without the rows it leads to, it could not."""
    words = set(_WORD.findall(policy.check or policy.using or ""))
    return not policy.permissive and policy.command in ("ALL", command) and set(key.columns) <= words


def _action(table: Table, key: ForeignKey) -> Iterator[Door]:
    acts = [
        f"ON {event} {_ACTIONS[code]}"
        for event, code in (("DELETE", key.on_delete), ("UPDATE", key.on_update))
        if code in _ACTIONS
    ]
    if acts:
        on, constraint = table_in_sql(table.name), in_sql(key.name)
        columns, targets = (", ".join(map(in_sql, names)) for names in (key.columns, key.target_columns))
        words = (" match full" if key.match == "f" else "") + (
            " deferrable initially deferred" if key.deferred else " deferrable" if key.deferrable else ""
        )
        yield Door(
            Code.REFERENTIAL_ACTION,
            "foreign_key",
            spell(table.name, key.name),
            Severity.NOTE,
            f"{' and '.join(acts)} changes rows of {spell(table.name)} outside every policy.",
            "Where rows must not go with those they refer to",
            f"alter table {on} drop constraint {constraint};\nalter table {on} add constraint {constraint}"
            f" foreign key ({columns}) references {table_in_sql(key.target)} ({targets}){words};",
            (table.name,),
        )


# What is not told costs an index.


def _leaky(table: Table) -> Iterator[Door]:
    for index in table.indexes:
        if index.leaky:
            operators = sorted({operator for key in index.leaky for operator in key.operators})
            keys = ", ".join(key.key for key in index.leaky)
            why = (
                f"{' '.join(operators)} of {', '.join(sorted({key.type for key in index.leaky if key.operators}))}"
                if operators
                else f"what {keys} calls"
            )
            yield Door(
                Code.LEAKY_INDEX,
                "index",
                spell(table.name, index.name),
                Severity.NOTE,
                f"index {index.name} on {spell(table.name)} does not serve people's own conditions on {keys}: {why} is not LEAKPROOF, so"
                " that the policies come first and every row they leave is looked at.",
                " ".join(dict.fromkeys(_instead(key) for key in index.leaky)),
                _generated(table, index),
                (table.name,),
            )


def _instead(key: LeakyKey) -> str:
    """What to do about one key. Marking the server's own functions LEAKPROOF is no advice: their errors tell values."""
    if not key.operators:
        return "Keep the expression in a generated column and index that: = and < of text, numbers, dates and uuid are LEAKPROOF"
    if key.type.startswith("numeric"):
        return "Keep amounts in whole units: those of bigint are LEAKPROOF"
    if key.operators in (("<", "<=", "=", ">", ">="), ("=",)):
        return "Keep it as text with a CHECK, or what is asked for in a generated column: = and < of text are LEAKPROOF"
    return "Narrow by the rules: where their own condition has an index, this one is missed little"


def _generated(table: Table, index: Index) -> str:
    """The generated column instead of an expression, where the index is over nothing but one."""
    if index.columns != (None,) or index.partial or index.unique or index.method != "btree":
        return ""
    key = index.leaky[0]
    on, column = table_in_sql(table.name), in_sql(f"{index.name}_value"[:63])
    return (
        f"alter table {on} add column {column} {key.type} generated always as ({key.key}) stored;\n"
        f"create index on {on} ({column});\ndrop index {in_sql(table.name.schema, index.name)};"
    )
