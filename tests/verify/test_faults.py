"""Faults made on purpose in what was applied: each is found, by what the database then does or by how it then looks.

A fault of the first kind is looked for with the static comparison switched off, so that nothing but behaviour can find it. Most
are what a compiler would do wrong: the SQL of other rules is put in the place of the right one. After each fault was taken back
nothing differs from what was applied any more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import psycopg
import pytest
from psycopg import sql

from pgerase.apply.ledger import read_state
from pgerase.compile import compile_pack
from pgerase.compile.desired import DesiredFunction, DesiredPolicy, DesiredView
from pgerase.database import Database
from pgerase.errors import Finding
from pgerase.rules.read import read_pack
from pgerase.verify import VerifyReport
from tests.verify.conftest import Site

PERSON, ACCOUNT, TASK, EVENT, ARTICLE = ("shop.person", "shop.account", "shop.task", "shop.event", "shop.article")

Undo = Callable[[], None]
Make = Callable[[Site], Undo]


@dataclass(frozen=True)
class Fault:
    """What is wrong, on which table it shows, how it is made, and words of the finding that has to name it."""

    name: str
    table: str
    make: Make
    found: tuple[str, str]
    """Code of the finding and its subject; `{P}` and roles are filled in."""


def rules(old: str, new: str) -> Make:
    """The views, functions and policies that other rules would have, in the place of the right ones."""

    def make(site: Site) -> Undo:
        right = _objects(site, "", "")
        wrong = _objects(site, old, new)
        assert right != wrong, f"{old} is not in the rules, or {new} says the same"
        changed = {key for key in right.keys() & wrong.keys() if right[key] != wrong[key]}
        added = [wrong[key] for key in wrong if key not in right]
        gone = [right[key] for key in right if key not in wrong and isinstance(right[key], DesiredPolicy)]
        with _admin(site) as connection:
            for one in added:
                _create(connection, one)
            for key in wrong:
                if key in changed:
                    _replace(connection, wrong[key])
            for one in gone:
                _drop(connection, one)

        def undo() -> None:
            with _admin(site) as connection:
                for one in gone:
                    _create(connection, one)
                for key in right:
                    if key in changed:
                        _replace(connection, right[key])
                for one in reversed(added):
                    _drop(connection, one)

        return undo

    return make


def script(fault: str, undo: str) -> Make:
    """One statement or a few, and what takes them back."""

    def make(site: Site) -> Undo:
        site.admin(fault)
        return lambda: site.admin(undo)

    return make


def policy(table: str, name: str, *, using: str | None = None, check: str | None = None) -> Make:
    """Another expression in a policy; `{using}` and `{check}` stand for those it has."""

    def make(site: Site) -> Undo:
        right = _objects(site, "", "")["policy", table, site.fill(name)]
        assert isinstance(right, DesiredPolicy)
        wrong = replace(right, using=expression(site, using, right), check=expression(site, check, right))
        with _admin(site) as connection:
            _replace(connection, wrong)

        def undo() -> None:
            with _admin(site) as connection:
                _replace(connection, replace(right, using=using and right.using, check=check and right.check))

        return undo

    def expression(site: Site, text: str | None, right: DesiredPolicy) -> str | None:
        if text is None:
            return None
        return site.fill(text).replace("{using}", right.using or "").replace("{check}", right.check or "")

    return make


def function(name: str, definition: str) -> Make:
    """Another body of one of pgerase's functions."""

    def make(site: Site) -> Undo:
        with _admin(site) as connection:
            row = connection.execute(
                "select pg_get_functiondef(p.oid) from pg_proc p where p.pronamespace = %s::regnamespace and p.proname = %s",
                [site.prefix, name],
            ).fetchone()
        assert row is not None
        site.admin(definition)
        return lambda: site.admin(row[0])

    return make


def guard(events: str | None) -> Make:
    """People's guard for other events; None: no guard at all."""

    def make(site: Site) -> Undo:
        name = f"{site.prefix}_guard"
        with _admin(site) as connection:
            row = connection.execute(
                "select pg_get_triggerdef(t.oid), obj_description(t.oid) from pg_trigger t"
                " where t.tgrelid = 'shop.person'::regclass and t.tgname = %s",
                [name],
            ).fetchone()
        assert row is not None
        definition, comment = row
        drop = site.fill('drop trigger if exists "{P}_guard" on shop.person')
        site.admin(drop)
        if events is not None:
            site.admin(definition.replace("AFTER INSERT OR DELETE OR UPDATE", events))

        def undo() -> None:
            site.admin(f"{drop}; {definition}")
            with _admin(site) as connection:
                statement = sql.SQL("comment on trigger {} on shop.person is {}")
                connection.execute(statement.format(sql.Identifier(name), sql.Literal(comment)))

        return undo

    return make


def _objects(site: Site, old: str, new: str) -> dict[tuple[str, ...], object]:
    file = site.folder / "access.yaml"
    text = file.read_text(encoding="utf-8")
    old, new = site.fill(old), site.fill(new)
    assert old in text
    try:
        file.write_text(text.replace(old, new, 1) if old else text, encoding="utf-8")
        pack = read_pack(site.folder)
    finally:
        file.write_text(text, encoding="utf-8")
    with Database.open(site.database.dsn()) as database:
        catalog, _ = read_state(database, site.prefix)
    desired = compile_pack(pack, catalog)
    assert desired.governed, desired.findings
    found: dict[tuple[str, ...], object] = {}
    for one in desired.objects:
        match one:
            case DesiredPolicy():
                found["policy", str(one.table), one.name] = _bare(one)
            case DesiredView():
                found["view", str(one.name)] = one
            case DesiredFunction():
                found["function", str(one.name)] = one
            case _:
                pass
    return found


def _bare(one: DesiredPolicy) -> DesiredPolicy:
    """Without the comment, which says where in the file the rules stand."""
    return DesiredPolicy(one.table, one.name, one.command, one.permissive, one.roles, one.using, one.check, "")


def _admin(site: Site) -> psycopg.Connection:
    connection = psycopg.connect(site.database.admin_dsn)
    connection.execute("set search_path = ''")
    return connection


def _replace(connection: psycopg.Connection, one: object) -> None:
    match one:
        case DesiredPolicy():
            _alter(connection, one.table.schema, one.table.name, one.name, {"using": one.using, "check": one.check})
        case DesiredView():
            try:
                with connection.transaction():
                    connection.execute(f"create or replace view {_name(one.name)} as {one.query}".encode())
            except psycopg.errors.InvalidTableDefinition:
                pass  # the view shows more columns than the other rules need, which does no harm to them
        case DesiredFunction():
            try:
                with connection.transaction():
                    connection.execute(one.definition.encode())
            except psycopg.errors.InvalidFunctionDefinition:
                pass  # likewise: it returns more columns
        case _:
            raise AssertionError(one)


def _create(connection: psycopg.Connection, one: object) -> None:
    match one:
        case DesiredPolicy():
            parts = [("using", one.using), ("with check", one.check)]
            expressions = " ".join(f"{word} ({text})" for word, text in parts if text is not None)
            kind = "permissive" if one.permissive else "restrictive"
            connection.execute(
                f"create policy {_quoted(one.name)} on {_name(one.table)} as {kind} for {one.command}"
                f" to {', '.join(map(_quoted, one.roles))} {expressions}".encode()
            )
        case DesiredView():
            _replace(connection, one)
            connection.execute(f"alter view {_name(one.name)} owner to {_quoted(one.owner)}".encode())
            for reader in one.readers:
                connection.execute(f"grant select on {_name(one.name)} to {_quoted(reader)}".encode())
        case _:
            raise AssertionError(one)


def _drop(connection: psycopg.Connection, one: object) -> None:
    match one:
        case DesiredPolicy():
            connection.execute(f"drop policy {_quoted(one.name)} on {_name(one.table)}".encode())
        case DesiredView():
            connection.execute(f"drop view {_name(one.name)}".encode())
        case _:
            raise AssertionError(one)


def _alter(connection: psycopg.Connection, schema: str, table: str, name: str, parts: dict[str, str | None]) -> None:
    words = {"using": "using", "check": "with check"}
    expressions = " ".join(f"{words[part]} ({text})" for part, text in parts.items() if text)
    connection.execute(f"alter policy {_quoted(name)} on {_quoted(schema)}.{_quoted(table)} {expressions}".encode())


def _name(name: object) -> str:
    return f"{_quoted(name.schema)}.{_quoted(name.name)}"  # type: ignore[attr-defined]


def _quoted(name: str) -> str:
    return sql.Identifier(name).as_string(None)


LINE = "rows: {region: {eq: {viewer: region}}, product: {eq: {viewer: product}}}"

BY_BEHAVIOUR = [
    Fault(
        "a dropped conjunct", ACCOUNT, rules(LINE, "rows: {region: {eq: {viewer: region}}}"), ("mismatch-read", ACCOUNT)
    ),
    Fault(
        "or for and",
        ACCOUNT,
        rules(LINE, "rows: {any: [{region: {eq: {viewer: region}}}, {product: {eq: {viewer: product}}}]}"),
        ("mismatch-read", ACCOUNT),
    ),
    Fault(
        "two independent sets for one person",
        ACCOUNT,
        policy(
            ACCOUNT,
            "{P}_read",
            using="({using}) or (account.region = any (array(select p.region from {P}_lookup.reach() p))"
            " and account.product = any (array(select p.product from {P}_lookup.reach() p)))",
        ),
        ("mismatch-read", ACCOUNT),
    ),
    Fault(
        "a wrong operator",
        ACCOUNT,
        rules("rows: {stage: {ne: closed}}", "rows: {stage: closed}"),
        ("mismatch-read", ACCOUNT),
    ),
    Fault(
        "a null that lets in",
        ACCOUNT,
        rules("rows: {secret: {ne: true}}", "rows: {any: [{secret: {ne: true}}, {secret: {is_null: true}}]}"),
        ("mismatch-read", ACCOUNT),
    ),
    Fault(
        "a requirement that binds nobody",
        ACCOUNT,
        policy(ACCOUNT, "{P}_require_tenant_read", using="true"),
        ("mismatch-read", ACCOUNT),
    ),
    Fault(
        "a requirement that is not passed on",
        TASK,
        policy(TASK, "{P}_require_tenant of account_read", using="true"),
        ("mismatch-read", TASK),
    ),
    Fault(
        "a group that is everybody", ACCOUNT, rules("{title: Desk}}", "{status: ACTIVE}}"), ("mismatch-read", ACCOUNT)
    ),
    Fault(
        "a relation that is not narrowed",
        ACCOUNT,
        rules("{viewer: accounts, where: {role: owner}}", "{viewer: accounts}"),
        ("mismatch-update-right", ACCOUNT),
    ),
    Fault(
        "inactive people who see",
        ACCOUNT,
        rules("active: {status: ACTIVE}", "active: {id: {gt: 0}}"),
        ("mismatch-read", ACCOUNT),
    ),
    Fault("no super admin any more", TASK, rules("{is_admin: true}", "{is_admin: false}"), ("mismatch-read", TASK)),
    Fault(
        "managers see no more than others", ACCOUNT, rules("  manager: manager_id\n", ""), ("mismatch-read", ACCOUNT)
    ),
    Fault(
        "what is one's own goes to managers",
        PERSON,
        rules("can: [update], hierarchy: false}\n  account", "can: [update]}\n  account"),
        ("mismatch-update-right", PERSON),
    ),
    Fault(
        "own or parent for own and parent", TASK, rules("own and account", "own or account"), ("mismatch-read", TASK)
    ),
    Fault("a lost WITH CHECK of an insert", TASK, policy(TASK, "{P}_insert", check="true"), ("mismatch-insert", TASK)),
    Fault("a lost WITH CHECK of an update", TASK, policy(TASK, "{P}_update", check="true"), ("mismatch-update", TASK)),
    Fault(
        "a new row judged by the old row's rule",
        ACCOUNT,
        policy(ACCOUNT, "{P}_update", check="{using}"),
        ("mismatch-update", ACCOUNT),
    ),
    Fault(
        "deleting what one does not see",
        TASK,
        policy(TASK, "{P}_delete", using="({using}) or exists (select from {P}_lookup.me p)"),
        ("mismatch-delete", TASK),
    ),
    Fault(
        "a policy that is gone", TASK, rules("can: [write]}", "can: [insert, update, delete]}"), ("mismatch-read", TASK)
    ),
    Fault(
        "a foreign permissive policy",
        TASK,
        script("create policy lenient on shop.task for select using (id < 9)", "drop policy lenient on shop.task"),
        ("mismatch-read", TASK),
    ),
    Fault(
        "a foreign restrictive policy",
        ACCOUNT,
        script(
            'create policy strict on shop.account as restrictive for select to "{P}_viewer" using (id > 5)',
            "drop policy strict on shop.account",
        ),
        ("mismatch-read", ACCOUNT),
    ),
    Fault(
        "a table without row security",
        TASK,
        script("alter table shop.task disable row level security", "alter table shop.task enable row level security"),
        ("mismatch-read", TASK),
    ),
    Fault(
        "a leaf without row security",
        EVENT,
        script(
            "alter table shop.event_2026 disable row level security",
            "alter table shop.event_2026 enable row level security",
        ),
        ("mismatch-leaf", "shop.event_2026"),
    ),
    Fault(
        "a rule for one role that is everybody's who is nobody",
        ARTICLE,
        policy(ARTICLE, "{P}_read", using="({using}) or (select {P}.presented_viewer()) is null"),
        ("mismatch-read", ARTICLE),
    ),
    Fault(
        "a role that its rule does not reach",
        ARTICLE,
        policy(ARTICLE, "{P}_read", using="({using}) and (select {P}.presented_viewer()) is not null"),
        ("mismatch-read", ARTICLE),
    ),
    Fault(
        "an identity left over from another transaction",
        TASK,
        function(
            "current_viewer",
            "create or replace function {P}.current_viewer() returns text language sql stable parallel safe"
            " return split_part(current_setting('{P}.viewer', true), '@', 1)",
        ),
        ("mismatch-read", TASK),
    ),
    Fault(
        "a guard that is switched off",
        PERSON,
        script(
            'alter table shop.person disable trigger "{P}_guard"', 'alter table shop.person enable trigger "{P}_guard"'
        ),
        ("mismatch-guard", PERSON),
    ),
    Fault(
        "a guard that lets anybody",
        PERSON,
        function(
            "has_authority",
            "create or replace function {P}.has_authority(p_authority text) returns boolean language sql stable parallel safe return true",
        ),
        ("mismatch-guard", PERSON),
    ),
    Fault(
        "an authority that is too many's",
        PERSON,
        rules("shop.person.title: {title: Desk}", "shop.person.title: {kind: employee}"),
        ("mismatch-guard", PERSON),
    ),
]

BY_STATICS = [
    Fault(
        "row security that is not forced",
        TASK,
        script("alter table shop.task no force row level security", "alter table shop.task force row level security"),
        ("door-not-forced", TASK),
    ),
    Fault(
        "a definer view",
        ACCOUNT,
        script(
            "create view shop.overview as select * from shop.account; grant select on shop.overview to {web}",
            "drop view shop.overview",
        ),
        ("door-view", "shop.overview"),
    ),
    Fault(
        "a definer function",
        ACCOUNT,
        script(
            "create function shop.peek() returns bigint language sql security definer return (select count(*) from shop.account)",
            "drop function shop.peek()",
        ),
        ("door-definer-function", "shop.peek()"),
    ),
    Fault(
        "a bypassing role",
        ACCOUNT,
        script("alter role {web} bypassrls", "alter role {web} nobypassrls"),
        ("door-bypassrls", "{web}"),
    ),
    Fault(
        "a pool login that becomes the application's",
        ACCOUNT,
        script(
            'create role "{P}_pool" login noinherit; grant {web} to "{P}_pool"',
            'drop role "{P}_pool"',
        ),
        ("door-speaks-for-others", "{P}_viewer/{P}_pool"),
    ),
    Fault(
        "a member of the lookup role",
        ACCOUNT,
        script('grant "{P}_lookup" to {web}', 'revoke "{P}_lookup" from {web}'),
        ("private-role-member", "membership {web} in {P}_lookup"),
    ),
    Fault(
        "a private schema that is open",
        ACCOUNT,
        script("grant usage on schema {P}_lookup to {web}", "revoke usage on schema {P}_lookup from {web}"),
        ("schema-grant", "schema {P}_lookup"),
    ),
    Fault(
        "a private role that logs in",
        ACCOUNT,
        script("alter role {P}_lookup login", "alter role {P}_lookup nologin"),
        ("role-attribute", "role {P}_lookup"),
    ),
    Fault(
        "TRUNCATE for an application",
        ACCOUNT,
        script("grant truncate on shop.account to {web}", "revoke truncate on shop.account from {web}"),
        ("door-truncate", "{web}/TRUNCATE"),
    ),
    Fault(
        "a policy for another role",
        TASK,
        script(
            'alter policy "{P}_read" on shop.task to public', 'alter policy "{P}_read" on shop.task to "{P}_viewer"'
        ),
        ("changed", "policy {P}_read on shop.task"),
    ),
    Fault(
        "a guard that sees what the statement has just written",
        PERSON,
        script("alter function {P}.guard_shop_person() volatile", "alter function {P}.guard_shop_person() stable"),
        ("guard-volatile", PERSON),
    ),
    Fault(
        "a guard that asks what sees the statement's own rows",
        PERSON,
        script("alter function {P}.has_authority(text) volatile", "alter function {P}.has_authority(text) stable"),
        ("guard-volatile", PERSON),
    ),
    Fault(
        "a guard's body that is not what was applied",
        PERSON,
        function(
            "guard_shop_person",
            "create or replace function {P}.guard_shop_person() returns trigger language plpgsql stable"
            " as 'begin return null; end'",
        ),
        ("changed", "function {P}.guard_shop_person()"),
    ),
    Fault(
        "a guard that fires in replicas only",
        PERSON,
        script(
            'alter table shop.person enable replica trigger "{P}_guard"',
            'alter table shop.person enable trigger "{P}_guard"',
        ),
        ("guard-disabled", PERSON),
    ),
    Fault(
        "a leaf whose guard is switched off",
        PERSON,
        script(
            'alter table shop.member_owner disable trigger "{P}_guard"',
            'alter table shop.member_owner enable trigger "{P}_guard"',
        ),
        ("guard-disabled", "shop.member_owner"),
    ),
    Fault(
        "a guard that looks at some columns only",
        PERSON,
        guard("after insert or delete or update of title"),
        ("guard-missing", PERSON),
    ),
    Fault(
        "a guard that was dropped",
        PERSON,
        guard(None),
        ("guard-missing", PERSON),
    ),
]


def _named(report: VerifyReport, fault: Fault, site: Site) -> list[Finding]:
    code, subject = (site.fill(part) for part in fault.found)
    return [finding for finding in report.failures if finding.code == code and finding.subject == subject]


@pytest.fixture(scope="module", autouse=True)
def everything_taken_back(shop: Site) -> Iterator[None]:
    """Looked at once: each fault has to be found by its own name, so that one that stayed would not help the next."""
    yield
    assert shop.verify(behaviour=False).failures == ()


@pytest.mark.parametrize("fault", BY_BEHAVIOUR, ids=lambda fault: fault.name)
def test_what_the_database_does_gives_the_fault_away(fault: Fault, shop: Site):
    undo = fault.make(shop)
    try:
        report = shop.verify(fault.table, statics=False)
        assert _named(report, fault, shop), report.failures
        assert not report.ok
        assert report.counterexamples
    finally:
        undo()


@pytest.mark.parametrize("fault", BY_STATICS, ids=lambda fault: fault.name)
def test_how_the_database_looks_gives_the_fault_away(fault: Fault, shop: Site):
    undo = fault.make(shop)
    try:
        report = shop.verify(behaviour=False)
        assert _named(report, fault, shop), [(finding.code, finding.subject) for finding in report.failures]
        assert not report.ok
    finally:
        undo()


def test_with_every_fault_taken_back_everything_is_as_the_rules_mean_it(shop: Site):
    report = shop.verify()
    assert report.failures == ()
    assert report.ok
