"""What has to be done, decided from a survey and the files: pure, so that what is shown is what is done. Runs nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from pgerase import __version__
from pgerase.counts import counted
from pgerase.errors import Refused
from pgerase.install.localize import localize
from pgerase.install.names import Home, Names
from pgerase.install.sources import (
    DEFAULT_CLAIM,
    INTERNAL_ROUTINES,
    LOG_ROUTINES,
    LOG_TRIGGER_ROUTINES,
    ROUTINES,
    Migration,
    RoutineSource,
    Sources,
)
from pgerase.install.survey import (
    KEY_MASK,
    LEDGER_TABLES,
    LOG_SEQUENCES,
    LOG_TABLES,
    OWN_KINDS,
    Installation,
    RoutineState,
    Survey,
)
from pgerase.render.environment import Expr, Ident, render
from pgerase.rules.access import IdentityKind


class Mark(StrEnum):
    """How a step is shown."""

    CREATE = "+"
    ALTER = "~"
    DROP = "-"


@dataclass(frozen=True, slots=True)
class Part:
    """A script, and the private role that runs it; None is the installing role."""

    script: str
    actor: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One thing to do. `kind` and `name` say to what, unquoted.

    `needs` are private roles whose membership is borrowed for it, besides those its parts act as.
    """

    mark: Mark
    kind: str
    name: str
    parts: tuple[Part, ...]
    needs: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{self.mark} {self.kind} {self.name}"


CLAIMS = IdentityKind.CLAIMS
ROLE = "role"
ROUTINE = "routine"
SCHEMA = "schema"


def install_steps(
    found: Survey, names: Names, sources: Sources, identity: IdentityKind, claim: str = DEFAULT_CLAIM
) -> tuple[Step, ...]:
    """Everything that is missing or different. Empty where nothing is.

    Raises Refused where a role or schema of that name is somebody else's, a private role has members or powers, or the
    ledger holds a migration this version does not know.
    """
    refuse_others(found, names)
    _refuse_history(found, sources)
    steps = [
        *_role_steps(found, names),
        *_schema_steps(found, names),
        *_migration_steps(found, names, sources.migrations),
        *_routine_steps(found, names, sources.routines),
        *_privilege_steps(found, names),
    ]
    installed = found.ledger.installation
    wanted = Installation(__version__, identity.value, found.installer, claim if identity is CLAIMS else None)
    if steps or installed is None or replace(installed, installer=found.installer) != wanted:
        steps.append(_installation_step(names, wanted, is_new=installed is None))
    return tuple(steps)


def uninstall_steps(found: Survey, names: Names) -> tuple[Step, ...]:
    """Everything of ours that is there, in the order it can go. Empty where nothing is.

    Raises Refused while tables are governed, and where somebody put objects of theirs into our schemas.
    """
    if found.ledger.governed:
        raise Refused(
            f"{counted(found.ledger.governed, 'object')} made by apply {'is' if found.ledger.governed == 1 else 'are'} still there",
            hint=f"run `pgerase revert` for the prefix {names.prefix} first; then no table is governed any more",
        )
    _refuse_strange_objects(found, names)
    return tuple(_drop_steps(found, names))


def _drop_steps(found: Survey, names: Names) -> Iterator[Step]:
    # In the opposite order of making: SQL-standard bodies depend on what they call.
    made = [
        *((Home.API, name) for name in ROUTINES),
        *((Home.INTERNAL, name) for name in INTERNAL_ROUTINES),
        *((Home.LOG, name) for name in LOG_ROUTINES),
    ]
    called_by_tables = {(Home.LOG, name) for name in LOG_TRIGGER_ROUTINES}
    yield from _drop_routines(found, names, [key for key in reversed(made) if key not in called_by_tables])
    there = {thing.identity for thing in found.objects if thing.kind in OWN_KINDS}
    if str(Ident((names.internal, KEY_MASK))) in there:
        script = render("install/drop_materialized_view", view=Ident((names.internal, KEY_MASK)))
        yield Step(Mark.DROP, "materialized view", f"{names.internal}.{KEY_MASK}", (Part(script, names.secret),))
    for schema, tables in ((names.internal, LEDGER_TABLES), (names.logs, (*found.detached, *LOG_TABLES))):
        for table in tables:
            # Before a later migration ran, its tables are not there.
            if str(Ident((schema, table))) in there:
                script = render("install/drop_table", table=Ident((schema, table)))
                yield Step(Mark.DROP, "table", f"{schema}.{table}", (Part(script, names.owner_of(schema)),))
    yield from _drop_routines(found, names, sorted(called_by_tables))
    for schema in reversed(names.schemas):
        if found.owns_schema(schema, names):
            script = render("install/drop_schema", schema=schema)
            yield Step(Mark.DROP, SCHEMA, schema, (Part(script, names.owner_of(schema)),))
    for role in reversed(names.roles):
        if found.owns_role(role, names):
            yield Step(Mark.DROP, ROLE, role, (Part(render("install/drop_role", role=role)),))


def _drop_routines(found: Survey, names: Names, made: Iterable[tuple[Home, str]]) -> Iterator[Step]:
    for home, name in made:
        for routine in found.routines:
            if (routine.home, routine.name) == (home, name) and (home, name) in found.ledger.routines:
                script = render("install/drop_routine", signature=_signature(names, routine))
                actor = names.owner_of(names.home(home))
                yield Step(Mark.DROP, ROUTINE, f"{names.home(home)}.{name}", (Part(script, actor),))


def refuse_others(found: Survey, names: Names) -> None:
    """Raise Refused where a role or schema of these names is not ours, has powers, or has members it may not have."""
    another = f"choose another `prefix:` in pack.yaml; {names.prefix} is taken"
    expected = names.role_comment(found.database)
    for role in found.roles.values():
        if role.comment != expected:
            owner = role.comment if role.comment.startswith("pgerase ") else "not pgerase's"
            raise Refused(
                f"the role {role.name} exists in this cluster already: {owner}",
                hint=f"{another}. If the database was renamed, set the comments of its roles to: {expected}",
            )
        if role.powers:
            raise Refused(
                f"the role {role.name} has the attributes {', '.join(role.powers)}",
                hint="roles of pgerase have none; take them away with ALTER ROLE",
            )
    for schema in found.schemas.values():
        if schema.name not in names.schemas:
            raise Refused(
                f"the schema {schema.name} differs from the prefix in upper and lower case only",
                hint=f"{another}: settings do not tell the two apart",
            )
        if not found.owns_schema(schema.name, names):
            raise Refused(f"the schema {schema.name} exists already and is not pgerase's", hint=another)
    refuse_members(found, names, allowed=found.installer)


def refuse_members(found: Survey, names: Names, *, allowed: str | None = None) -> None:
    """Raise Refused where anybody but `allowed` can use a private role, or one of our roles is a member of another role."""
    for membership in found.memberships:
        revoke = f"revoke {Ident((membership.role,))} from {Ident((membership.member,))}"
        if membership.role in names.private and membership.usable and membership.member != allowed:
            raise Refused(
                f"the role {membership.member} is a member of {membership.role}, granted by {membership.grantor}",
                hint=f"nobody may be, or row security does not bind them; run: {revoke}",
            )
        if membership.member in names.roles and membership.role not in names.roles:
            raise Refused(
                f"the role {membership.member} is a member of {membership.role}",
                hint=f"roles of pgerase have no rights of others; run: {revoke}",
            )


def _refuse_history(found: Survey, sources: Sources) -> None:
    known = {migration.version: migration for migration in sources.migrations}
    for version, (name, checksum) in sorted(found.ledger.migrations.items()):
        migration = known.get(version)
        if migration is None:
            raise Refused(
                f"the ledger has migration {version:04} {name}, which pgerase {__version__} does not know",
                hint="a newer pgerase was here; use that one",
            )
        if (migration.name, migration.checksum) != (name, checksum):
            raise Refused(
                f"migration {version:04} {name} is not the one that ran here: its checksum differs",
                hint="restore the file sql/migrations as released; a change belongs into a new migration",
            )


def _refuse_strange_objects(found: Survey, names: Names) -> None:
    ours = {str(Ident((names.internal, table))) for table in (*LEDGER_TABLES, KEY_MASK)}
    ours |= {str(Ident((names.logs, name))) for name in (*found.detached, *LOG_TABLES)}
    ours_called = {str(Ident((names.home(home), name))) for home, name in found.ledger.routines}
    for thing in found.objects:
        if not found.owns_schema(thing.schema, names):
            continue
        if thing.kind in OWN_KINDS and thing.identity in ours:
            continue
        if thing.kind == "function" and thing.identity.split("(")[0] in ours_called:
            continue
        raise Refused(
            f"the {thing.kind} {thing.identity} is in a schema of pgerase, which did not make it",
            hint="move it to another schema or drop it; uninstall removes what pgerase made, nothing else",
        )


def _role_steps(found: Survey, names: Names) -> Iterator[Step]:
    for role in names.roles:
        if role not in found.roles:
            script = render("install/create_role", role=role, comment=names.role_comment(found.database))
            yield Step(Mark.CREATE, ROLE, role, (Part(script),))
    # Before PostgreSQL 16 an administrator of a role is a member of it: a membership left from --roles-sql ends here.
    for role in sorted({m.role for m in found.memberships if m.member == found.installer and m.usable}):
        if role in names.private and not found.superuser:
            # Nothing to run: what is borrowed goes back when all is done, and with it whatever was there before.
            yield Step(Mark.DROP, "membership", f"of {found.installer} in {role}", (), needs=(role,))


def _schema_steps(found: Survey, names: Names) -> Iterator[Step]:
    for schema in names.schemas:
        if schema in found.schemas:
            continue
        owner = names.owner_of(schema)
        yield Step(
            Mark.CREATE,
            SCHEMA,
            schema,
            (
                Part(render("install/create_schema", schema=schema, owner=owner)),
                Part(render("install/comment_schema", schema=schema, comment=names.schema_comment(schema)), owner),
            ),
        )


def _migration_steps(found: Survey, names: Names, migrations: tuple[Migration, ...]) -> Iterator[Step]:
    applied = found.ledger.migrations
    for migration in migrations:
        if migration.version in applied:
            continue
        record = render(
            "install/record_migration",
            table=Ident((names.internal, "migration")),
            version=migration.version,
            name=migration.name,
            checksum=migration.checksum,
        )
        script = localize(migration.script, names)
        what = f"{migration.version:04} {migration.name}"
        owner = names.owner_of(names.home(migration.home))
        yield Step(Mark.CREATE, "migration", what, (Part(script, owner), Part(record, names.secret)))


def _routine_steps(found: Survey, names: Names, sources: tuple[RoutineSource, ...]) -> Iterator[Step]:
    recorded = found.ledger.routines
    live = {(routine.home, routine.name): routine for routine in found.routines}
    for source in sources:
        key = (source.home, source.name)
        routine, record = live.get(key), recorded.get(key)
        # A superuser may call everything, so nothing is granted to one.
        grantee = found.installer if source.for_installer and not found.superuser else None
        same = (
            routine is not None
            and record is not None
            and (record.source, record.checksum, record.deparsed) == (source.file, source.checksum, routine.deparsed)
            and (grantee is None or grantee in routine.grantees)
        )
        if not same:
            yield _routine_step(names, source, routine, grantee)
    current = {(source.home, source.name) for source in sources}
    for home, name in sorted(recorded.keys() - current):
        if (home, name) in live:
            script = render("install/drop_routine", signature=_signature(names, live[home, name]))
            owner = names.owner_of(names.home(home))
            yield Step(Mark.DROP, ROUTINE, f"{names.home(home)}.{name}", (Part(script, owner),))


def _routine_step(names: Names, source: RoutineSource, existing: RoutineState | None, grantee: str | None) -> Step:
    script = source.written(names) + "\n\n"
    if grantee is not None:
        script += render(
            "install/grant_routine", routine=Ident((names.home(source.home), source.name)), grantee=grantee
        )
    record = render(
        "install/record_routine",
        table=Ident((names.internal, "routine")),
        home=source.home.value,
        name=source.name,
        source=source.file,
        checksum=source.checksum,
    )
    # CREATE OR REPLACE keeps privileges, so those that somebody added go first.
    grantees = [name for name in existing.grantees if name] if existing else []
    if existing and grantees:
        script = render("install/revoke_routine", signature=_signature(names, existing), grantees=grantees) + script
    mark = Mark.ALTER if existing else Mark.CREATE
    schema = names.home(source.home)
    parts = (Part(script, names.owner_of(schema)), Part(record, names.secret))
    return Step(mark, ROUTINE, f"{schema}.{source.name}", parts)


def _privilege_steps(found: Survey, names: Names) -> Iterator[Step]:
    wanted: list[tuple[str, str | None, str, tuple[str, ...]]] = [
        (names.api, None, role, ("USAGE",))
        for role in (names.viewer, names.lookup, names.eraser, names.masker, names.keeper)
    ]
    wanted += [
        # What guards ask the ledger; its tables stay closed to them.
        (names.internal, None, names.eraser, ("USAGE",)),
        (names.erasers, None, names.secret, ("USAGE",)),
        # Views of support access ask for grants, and who opens one asks what the rules say.
        (names.internal, None, names.lookup, ("USAGE",)),
        # The log asks which grants have to be reviewed.
        (names.internal, None, names.keeper, ("USAGE",)),
        # What the ledger asks the rules about support access.
        (names.lookups, None, names.secret, ("USAGE",)),
        (names.logs, None, names.secret, ("USAGE",)),
    ]
    if not found.superuser:
        wanted += [
            (names.api, None, found.installer, ("CREATE", "USAGE")),
            (names.internal, None, found.installer, ("USAGE",)),
            (names.internal, "migration", found.installer, ("SELECT",)),
            (names.internal, "routine", found.installer, ("SELECT",)),
            (names.internal, "installation", found.installer, ("SELECT",)),
            (names.internal, "apply_run", found.installer, ("INSERT", "SELECT")),
            # Inserting does not need it; a dump that the owner takes does.
            (names.internal, "apply_run_apply_id_seq", found.installer, ("SELECT",)),
            (names.internal, "applied_object", found.installer, ("DELETE", "INSERT", "SELECT", "UPDATE")),
            (names.internal, "applied_rules", found.installer, ("DELETE", "INSERT", "SELECT", "UPDATE")),
            # Written through routines only; read by the commands, and by a dump that the owner takes.
            (names.internal, "request", found.installer, ("SELECT",)),
            (names.internal, "request_request_id_seq", found.installer, ("SELECT",)),
            (names.internal, "request_person", found.installer, ("SELECT",)),
            (names.internal, "request_count", found.installer, ("SELECT",)),
            (names.internal, "erased_person", found.installer, ("SELECT",)),
            # Of no use without the mask, which is closed to everybody; a dump that the owner takes wants it.
            (names.internal, "signing_key", found.installer, ("SELECT",)),
            (names.internal, "support_grant", found.installer, ("SELECT",)),
            (names.internal, "support_grant_grant_id_seq", found.installer, ("SELECT",)),
            (names.internal, "support_ticket", found.installer, ("SELECT",)),
            (names.internal, "outbox", found.installer, ("SELECT",)),
            (names.logs, None, found.installer, ("USAGE",)),
            *((names.logs, table, found.installer, ("SELECT",)) for table in LOG_TABLES),
            *((names.logs, name, found.installer, ("SELECT",)) for name in LOG_SEQUENCES),
        ]
    for schema, table, grantee, privileges in wanted:
        if all((schema, table, privilege, grantee) in found.privileges for privilege in privileges):
            continue
        words = Expr(", ".join(privileges).lower())
        if table is None:
            script = render("install/grant_schema", schema=schema, privileges=words, grantee=grantee)
        else:
            name = Ident((schema, table))
            script = render("install/grant_relation", relation=name, privileges=words, grantee=grantee)
        what = f"{words} on {schema if table is None else f'{schema}.{table}'} to {grantee}"
        yield Step(Mark.CREATE, "grant", what, (Part(script, names.owner_of(schema)),))


def _installation_step(names: Names, wanted: Installation, *, is_new: bool) -> Step:
    script = render(
        "install/record_installation",
        table=Ident((names.internal, "installation")),
        prefix=names.prefix,
        version=wanted.version,
        identity=wanted.identity,
        claim=wanted.claim,
        installer=wanted.installer,
    )
    mark = Mark.CREATE if is_new else Mark.ALTER
    claim = "" if wanted.claim is None else f", claim {wanted.claim}"
    what = f"of pgerase {wanted.version}, identity {wanted.identity}{claim}"
    return Step(mark, "record", what, (Part(script, names.secret),))


def _signature(names: Names, routine: RoutineState) -> Expr:
    return Expr(f"{Ident((names.home(routine.home), routine.name))}({routine.arguments})")
