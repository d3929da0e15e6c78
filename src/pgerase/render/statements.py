"""Statements that make, change and take away single objects, laid out by the templates. Decides nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from pgerase.catalog.model import Name
from pgerase.compile.desired import (
    DesiredFunction,
    DesiredGrant,
    DesiredLogClass,
    DesiredMembership,
    DesiredPolicy,
    DesiredRoleSetting,
    DesiredTrigger,
    DesiredView,
)
from pgerase.errors import InternalError
from pgerase.render.environment import render
from pgerase.render.fragments import Expr

_WRITES = {"INSERT", "UPDATE", "DELETE", "TRUNCATE"}
_COMMANDS = {command: Expr(command.lower()) for command in ("ALL", "SELECT", "INSERT", "UPDATE", "DELETE")}


def create_policy(policy: DesiredPolicy) -> str:
    """CREATE POLICY with its comment."""
    return render(
        "plan/create_policy",
        name=policy.name,
        table=policy.table,
        permissive=policy.permissive,
        command=_COMMANDS[policy.command],
        roles=policy.roles,
        using=_expression(policy.using, 8),
        check=_expression(policy.check, 8),
        comment=policy.comment,
    )


def alter_policy(policy: DesiredPolicy) -> str:
    """ALTER POLICY, which can replace roles and expressions but take none away, with its comment."""
    return render(
        "plan/alter_policy",
        name=policy.name,
        table=policy.table,
        roles=policy.roles,
        using=_expression(policy.using, 8),
        check=_expression(policy.check, 8),
        comment=policy.comment,
    )


def drop_policy(table: Name, name: str) -> str:
    """DROP POLICY."""
    return render("plan/drop_policy", name=name, table=table)


def row_security(table: Name, *, enabled: bool, forced: bool) -> str:
    """ALTER TABLE with both flags of row security."""
    return render("plan/row_security", table=table, enabled=enabled, forced=forced)


def create_view(view: DesiredView) -> str:
    """CREATE VIEW with its readers and comment, to be run as its owner."""
    return render(
        "plan/create_view",
        name=view.name,
        query=Expr(view.query.strip().rstrip(";")),
        readers=view.readers,
        some=[{"role": role, "columns": columns} for role, columns in view.some],
        privileges=tuple(Expr(privilege) for privilege in view.privileges),
        comment=view.comment,
        barrier=view.barrier,
    )


def drop_view(name: Name) -> str:
    """DROP VIEW."""
    return render("plan/drop_view", name=name)


def create_function(function: DesiredFunction) -> str:
    """The function's own definition, closed to PUBLIC, with its executors and comment."""
    return render(
        "plan/create_function",
        definition=Expr(function.definition.strip().rstrip(";")),
        name=function.name,
        arguments=_optional(function.arguments),
        executors=function.executors,
        comment=function.comment,
    )


def drop_function(name: Name, arguments: str) -> str:
    """DROP ROUTINE."""
    return render("plan/drop_function", name=name, arguments=_optional(arguments))


def create_trigger(trigger: DesiredTrigger) -> str:
    """The trigger's own definition, with its comment."""
    return render(
        "plan/create_trigger",
        definition=Expr(trigger.definition.strip().rstrip(";")),
        name=trigger.name,
        table=trigger.table,
        comment=trigger.comment,
    )


def drop_trigger(table: Name, name: str) -> str:
    """DROP TRIGGER."""
    return render("plan/drop_trigger", name=name, table=table)


def grant(wanted: DesiredGrant) -> str:
    """GRANT of one privilege."""
    return _privilege("grant", wanted)


def revoke(wanted: DesiredGrant) -> str:
    """REVOKE of one privilege."""
    return _privilege("revoke", wanted)


def _privilege(verb: str, wanted: DesiredGrant) -> str:
    if wanted.kind not in {"table", "schema", "function"}:
        raise InternalError(f"a grant on a {wanted.kind}")
    return render(
        f"plan/{verb}",
        privilege=Expr(wanted.privilege if "(" in wanted.privilege else wanted.privilege.lower()),
        kind=Expr(wanted.kind),
        target=Expr(wanted.target),
        grantee=wanted.grantee,
    )


def set_reads(
    table: Name,
    role: str,
    *,
    whole: bool | None,
    columns: Mapping[str, bool],
    writes: Sequence[tuple[str, str | None, bool]] | None = None,
) -> str:
    """REVOKE of all SELECT, then GRANT of it on the table (`whole` not None) and on columns; true: with grant option.

    `writes`: the same for INSERT, UPDATE, DELETE and TRUNCATE, on a column or the whole table; None leaves these alone.
    Raises InternalError for another privilege.
    """
    if any(privilege not in _WRITES for privilege, _, _ in writes or ()):
        raise InternalError("a grant of what is no write")
    return render(
        "plan/set_reads",
        table=table,
        role=role,
        whole=whole is not None,
        whole_option=bool(whole),
        plain=[column for column, option in columns.items() if not option],
        option=[column for column, option in columns.items() if option],
        writes=None
        if writes is None
        else [
            {"privilege": Expr(privilege.lower()), "column": column, "option": option}
            for privilege, column, option in writes
        ],
    )


def grant_membership(wanted: DesiredMembership) -> str:
    """GRANT of a role."""
    return render("plan/grant_membership", role=wanted.role, member=wanted.member)


def revoke_membership(role: str, member: str) -> str:
    """REVOKE of a role."""
    return render("plan/revoke_membership", role=role, member=member)


def set_role_setting(wanted: DesiredRoleSetting, database: str) -> str:
    """ALTER ROLE … IN DATABASE … SET."""
    return render(
        "plan/set_role_setting", role=wanted.role, database=database, setting=wanted.setting, value=wanted.value
    )


def reset_role_setting(role: str, database: str, setting: str) -> str:
    """ALTER ROLE … IN DATABASE … RESET."""
    return render("plan/reset_role_setting", role=role, database=database, setting=setting)


def define_class(wanted: DesiredLogClass, prefix: str) -> str:
    """The call that makes or changes a class of entries of the audit log."""
    return render(
        "plan/define_class",
        function=Name(f"{prefix}_log", "define_class"),
        name=wanted.name,
        keep=wanted.keep,
        period=wanted.period,
        ahead=wanted.ahead,
    )


_QUOTED = re.compile(
    r"""
      (?<![\w$]) [eE] ' (?: [^'\\] | \\. | '' )* '
    | ' (?: [^'] | '' )* '
    | " (?: [^"] | "" )* "
    | (?<![\w$]) \$ (?P<tag>\w*) \$ .*? \$ (?P=tag) \$
    """,
    re.VERBOSE | re.DOTALL,
)


def _expression(sql: str | None, indent: int) -> Expr | None:
    """An expression whose first line stands where the template puts it; the others are indented as far.

    Line ends inside constants and quoted names are part of them and stay as they are.
    """
    if sql is None:
        return None
    text, deeper = sql.strip(), "\n" + " " * indent
    pieces: list[str] = []
    end = 0
    for quoted in _QUOTED.finditer(text):
        pieces += [text[end : quoted.start()].replace("\n", deeper), quoted.group()]
        end = quoted.end()
    rest = text[end:]
    if any(mark in piece for piece in (*pieces[::2], rest) for mark in ("--", "/*", "'", '"')):
        # A comment may hide a quotation mark, or a mark is not closed: nothing is certain, and nothing is moved.
        return Expr(text)
    return Expr("".join([*pieces, rest.replace("\n", deeper)]))


def _optional(sql: str) -> Expr | None:
    return Expr(sql) if sql else None
