"""Each kind of object that answers differently: made with plain DDL it is found, and after the remedy it is not."""

from __future__ import annotations

from dataclasses import replace

import psycopg
import pytest

from pgerase.catalog.model import Name, Subscription
from pgerase.check.impact import Impact, impact, unacknowledged
from pgerase.errors import Severity
from pgerase.rules.pack import Acknowledgement
from tests.catalog.world import COMPANY, EVENT, EVENT_1, GOVERNED, HERE, NOTE, World, settings
from tests.fix_database import FreshDatabase


def impacts(
    world: World, *, exempt: object = None, migrator: str | None = None, viewers: frozenset[str] = frozenset()
) -> dict[tuple[str, str], Impact]:
    found = impact(
        world.catalog(),
        GOVERNED,
        {world.web, *viewers},
        {world.etl} if exempt is None else exempt,  # pyright: ignore[reportArgumentType]
        migrator,
        prefix=world.prefix,
    )
    return {(item.kind, item.name): item for item in found}


def test_an_untouched_application_has_its_owner_and_its_rules_own_cascades_only(world: World) -> None:
    found = impacts(world)
    assert list(found) == [("role", world.owner)]
    assert found["role", world.owner].severity is Severity.NOTE
    assert found["role", world.owner].tables == (COMPANY, EVENT, EVENT_1, NOTE)


def test_nothing_governed_has_no_impact(world: World) -> None:
    world.do("create view app.v as select * from app.company; grant select on app.company to {other}")
    assert impact(world.catalog(), (), {world.web}, (), None) == ()
    assert impact(world.catalog(), (Name("app", "gone"),), {world.web}, (), None) == ()


def test_owner_view_goes_blind_as_measured(world: World) -> None:
    """The claim itself, tried on the server: the view has a row before forcing and none after."""
    world.do("insert into app.company values (1, 'x'); create view app.v as select * from app.company")
    found = impacts(world)["view", "app.v"]
    assert (found.tables, found.acknowledged_by, found.severity) == ((COMPANY,), "view", Severity.ERROR)
    assert f"its owner {world.owner}" in found.effect
    assert world.run_as(world.owner, b"select count(*) from app.v") == (1,)
    world.do("alter table app.company enable row level security, force row level security")
    assert world.run_as(world.owner, b"select count(*) from app.v") == (0,)
    assert impacts(world)["view", "app.v"] == found


def test_views_are_found_through_views_and_leaves(world: World) -> None:
    world.do(
        "create view app.inner_one as select * from app.event_1; create view app.outer_one as select * from app.inner_one;"
        "create view app.unrelated as select * from app.free"
    )
    found = impacts(world)
    assert found["view", "app.outer_one"].tables == (EVENT_1,)
    assert ("view", "app.inner_one") in found
    assert ("view", "app.unrelated") not in found


def test_invoker_view_is_a_note_and_over_an_owner_view_an_error(world: World) -> None:
    world.do(
        "create view app.plain with (security_invoker) as select * from app.company;"
        "create view app.below as select * from app.company;"
        "create view app.above with (security_invoker) as select * from app.below"
    )
    found = impacts(world)
    assert found["view", "app.plain"].severity is Severity.NOTE
    assert found["view", "app.above"].severity is Severity.ERROR


def test_view_of_a_service_or_a_bypassing_role_stays_as_it_is(world: World) -> None:
    world.admin(
        "grant create, usage on schema app to {etl}, {web}; grant select on app.company to {etl}, {web};"
        "create view app.service as select * from app.company; alter view app.service owner to {etl};"
        "create view app.person as select * from app.company; alter view app.person owner to {web};"
        "create view app.super as select * from app.company"
    )
    found = impacts(world)
    assert ("view", "app.service") not in found
    assert ("view", "app.super") not in found
    assert "what the rules allow the person behind the session" in found["view", "app.person"].effect


def test_a_service_is_exempt_on_its_own_tables_only(world: World) -> None:
    world.admin(
        "grant create, usage on schema app to {etl}; grant select on app.company, app.note to {etl};"
        "create view app.one as select * from app.company; alter view app.one owner to {etl};"
        "create view app.two as select * from app.note; alter view app.two owner to {etl}"
    )
    found = impacts(world, exempt={world.etl: (COMPANY,)})
    assert ("view", "app.one") not in found
    assert found["view", "app.two"].severity is Severity.ERROR
    assert found["role", world.etl].tables == (NOTE,)
    assert ("role", world.etl) not in impacts(world, exempt={world.etl: None})


def test_materialized_view_names_who_may_refresh(world: World) -> None:
    world.do("create materialized view app.m as select * from app.note")
    world.admin("grant {owner} to {other}")
    found = impacts(world)["materialized_view", "app.m"]
    assert found.tables == (NOTE,)
    assert world.other in found.effect
    assert "empty afterwards" in found.effect
    world.do("drop materialized view app.m")
    assert ("materialized_view", "app.m") not in impacts(world)


def test_maintain_lets_refresh(world: World) -> None:
    if world.catalog().server_version < 170000:
        pytest.skip("PostgreSQL 17 brought MAINTAIN")
    world.do("create materialized view app.m as select * from app.note; grant maintain on app.m to {web}")
    assert world.web in impacts(world)["materialized_view", "app.m"].effect


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ("language sql security definer begin atomic select count(*) from app.note; end", "certain"),
        ("language sql security definer as 'select count(*) from app.note'", "likely"),
        ("language plpgsql security definer as 'begin return (select count(*) from NOTE); end'", "likely"),
        ("language plpgsql security definer as 'begin execute ''select 1''; return 1; end'", "possible"),
        ("language sql security definer as 'select count(*) from app.note_view'", "likely"),
        ("language sql security definer as 'select app.helper()'", "likely"),
        ("language sql security definer begin atomic select app.helper(); end", "likely"),
    ],
)
def test_definer_function_is_found_with_how_sure(world: World, body: str, word: str) -> None:
    world.do(
        "create view app.note_view with (security_invoker) as select * from app.note;"
        "create function app.helper() returns bigint language sql as 'select count(*) from app.note'"
    )
    world.do(f"set check_function_bodies = off; create function app.f() returns bigint {body}")
    found = impacts(world)["function", "app.f()"]
    assert f"; {word}" in found.effect
    assert found.tables == (() if word == "possible" else (NOTE,))
    assert ("function", "app.helper()") not in impacts(world)
    world.do("alter function app.f() security invoker")
    assert ("function", "app.f()") not in impacts(world)


def test_definer_function_that_reaches_nothing_is_left_out(world: World) -> None:
    world.do(
        "create function app.f(company_id integer) returns integer language sql security definer as 'select company_id'"
    )
    assert [key for key in impacts(world) if key[0] == "function"] == []


def test_definer_function_of_a_service_is_left_out(world: World) -> None:
    world.do("create function app.f() returns bigint language sql security definer as 'select count(*) from app.note'")
    world.admin("grant create on schema app to {etl}; alter function app.f() owner to {etl}")
    assert ("function", "app.f()") not in impacts(world)


def test_definer_procedure_is_called_a_procedure(world: World) -> None:
    world.do("create procedure app.p() language sql security definer as 'delete from app.note'")
    assert impacts(world)["procedure", "app.p()"].acknowledged_by == "procedure"


def test_a_loop_of_functions_ends(world: World) -> None:
    world.do(
        "create function app.a() returns bigint language plpgsql as 'begin return app.b(); end';"
        "create function app.b() returns bigint language plpgsql security definer as 'begin return app.a() + (select 1 from app.note); end'"
    )
    assert next(iter(impacts(world))) == ("function", "app.b()")


def test_triggers_that_look_into_governed_tables(world: World) -> None:
    world.do(
        "create function app.quiet() returns trigger language plpgsql as 'begin return new; end';"
        "create function app.counting() returns trigger language plpgsql as"
        " 'begin perform count(*) from app.note; return new; end';"
        "create function app.blind() returns trigger language plpgsql security definer as"
        " 'begin perform count(*) from app.note; return new; end';"
        "create trigger quiet before insert on app.company for each row execute function app.quiet();"
        "create trigger counting before insert on app.free for each row execute function app.counting();"
        "create trigger blind before insert on app.event for each row execute function app.blind()"
    )
    found = impacts(world)
    assert [name for kind, name in found if kind == "trigger"] == ["app.event.blind", "app.free.counting"]
    assert "runs as whoever writes" in found["trigger", "app.free.counting"].effect
    assert "find no rows" in found["trigger", "app.event.blind"].effect
    assert ("function", "app.blind()") in found


def test_policy_of_an_ungoverned_table_that_looks_into_a_governed_one(world: World) -> None:
    world.do(
        "alter table app.free enable row level security;"
        "create policy looking on app.free using (company_id in (select c.id from app.company c));"
        "create policy idle on app.free using (id > 0)"
    )
    found = impacts(world)
    assert [name for kind, name in found if kind == "policy"] == ["app.free.looking"]
    assert found["policy", "app.free.looking"].tables == (COMPANY,)


def test_policy_that_calls_a_function(world: World) -> None:
    world.do(
        "create function app.mine() returns bigint language sql stable as 'select count(*) from app.note';"
        "alter table app.free enable row level security;"
        "create policy looking on app.free using (id = app.mine())"
    )
    assert impacts(world)["policy", "app.free.looking"].tables == (NOTE,)


def test_rewrite_rule(world: World) -> None:
    world.do("create rule copy as on insert to app.free do also update app.note set body = 'x' where id = new.id")
    found = impacts(world)
    assert found["rule", "app.free"].tables == (NOTE,)
    world.do("drop rule copy on app.free")
    assert ("rule", "app.free") not in impacts(world)


def test_referential_actions_act_outside_policies(world: World) -> None:
    world.do(
        "alter table app.event add constraint event_company_fkey foreign key (id) references app.company on delete cascade;"
        "alter table app.note add constraint note_self_fkey foreign key (company_id) references app.company on update cascade;"
        "alter table app.free add constraint free_company_fkey foreign key (company_id) references app.company on delete cascade"
    )
    found = impacts(world)
    assert {name: item.severity for (kind, name), item in found.items() if kind == "foreign_key"} == {
        "app.event.event_company_fkey": Severity.WARNING,
        "app.note.note_self_fkey": Severity.NOTE,
    }
    assert found["foreign_key", "app.event.event_company_fkey"].effect.startswith(
        "ON DELETE CASCADE changes rows of app.event"
    )


def test_publications(world: World) -> None:
    world.admin("create publication out_1 for table app.event_1; create publication out_2 for table app.free")
    found = impacts(world)
    assert [name for kind, name in found if kind == "publication"] == ["out_1"]
    assert found["publication", "out_1"].tables == (EVENT_1,)


def test_subscription_stops_unless_its_role_bypasses(world: World) -> None:
    """A snapshot with a subscription in it: a real one needs a second server that publishes."""
    catalog = world.catalog()
    superuser = next(role.name for role in catalog.roles.values() if role.superuser)

    def found(version: int, owner: str, table: Name) -> list[str]:
        changed = replace(catalog, server_version=version, subscriptions=(Subscription("in_1", owner, (table,)),))
        return [item.name for item in impact(changed, GOVERNED, (), (), None) if item.kind == "subscription"]

    assert found(150019, world.other, NOTE) == ["in_1"]
    assert found(150019, superuser, NOTE) == []
    # Since 16 the apply worker becomes the owner of the table.
    assert found(160015, superuser, NOTE) == ["in_1"]
    assert found(160015, superuser, Name("app", "free")) == []


def test_roles_that_will_see_nothing(world: World) -> None:
    group, idle = world.role("group"), world.role("idle")
    world.admin(f"alter role {group} nologin; alter role {idle} nologin")
    world.do(
        f"grant select on app.company to {{web}}, {{etl}}, {{other}}, {group}, {idle};"
        "grant update (body) on app.note to {other}; grant truncate on app.event to {other}"
    )
    world.admin(f"grant {group} to {{web}}")
    found = {name: item for (kind, name), item in impacts(world).items() if kind == "role"}
    assert sorted(found) == sorted([world.owner, world.other, idle])
    assert found[world.other].tables == (COMPANY, NOTE)
    assert (found[world.other].severity, found[idle].severity) == (Severity.ERROR, Severity.NOTE)
    world.admin(f"grant {group} to {{other}}")
    assert world.other in impacts(world)["role", group].effect


def test_a_grant_to_public_is_every_role(world: World) -> None:
    world.do("grant select on app.company to public")
    assert impacts(world)["role", "public"].severity is Severity.ERROR


def test_role_that_dumps_through_pg_read_all_data(world: World) -> None:
    world.admin("grant pg_read_all_data to {other}, {etl}")
    found = impacts(world)
    assert "pg_dump" in found["dump_role", world.other].effect
    assert ("dump_role", world.etl) not in found
    world.admin("alter role {other} bypassrls")
    assert ("dump_role", world.other) not in impacts(world)


def test_row_security_is_said_to_be_turned_off_for_a_named_migrator_alone(world: World) -> None:
    named = impacts(world, migrator=world.owner)["role", world.owner].effect
    nobody = impacts(world)["role", world.owner].effect
    bound = impacts(world, viewers=frozenset({world.owner}))["role", world.owner].effect
    assert [("row_security is turned off" in text) for text in (named, nobody, bound)] == [True, False, False]
    assert ("silently find no rows" in nobody, "migrator under roles" in nobody) == (True, True)


def test_owner_who_is_not_the_migrator_has_to_be_acknowledged(world: World) -> None:
    assert impacts(world, migrator=world.owner)["role", world.owner].severity is Severity.NOTE
    assert impacts(world, migrator=world.other)["role", world.owner].severity is Severity.ERROR
    world.admin("alter role {owner} bypassrls")
    assert ("role", world.owner) not in impacts(world, migrator=world.other)


def test_scheduled_jobs(world: World) -> None:
    world.admin("create schema cron; create table cron.job (jobid bigint, command text)")
    assert impacts(world)["job", "cron.job"].acknowledged_by == "job"


def test_what_pgerase_made_is_left_out(governed_world: World) -> None:
    world = governed_world
    before = impacts(world)
    world.admin(
        "create schema {lookup}; create view {lookup}.facts as select * from app.company;"
        "create schema {api}; create function {api}.f() returns bigint language sql security definer as 'select 1 from app.note';"
        "grant select on app.company to {lookup}, {viewer}"
    )
    assert impacts(world) == before


def acknowledge(kind: str, name: str) -> Acknowledgement:
    return Acknowledgement(kind, name, "looked at", HERE)


def test_acknowledging_matches_kind_and_name_exactly(world: World) -> None:
    world.do(
        'create view app."v.1" as select * from app.company;'
        "create function app.f(a integer) returns bigint language sql security definer as 'select 1 from app.note';"
        "create function app.g(a integer) returns bigint language sql security definer as 'select 1 from app.note';"
        "create function app.g(a text) returns bigint language sql security definer as 'select 1 from app.note'"
    )
    found = tuple(impacts(world).values())
    assert {(f.subject, f.code) for f in unacknowledged(found, settings()) if f.severity is Severity.ERROR} == {
        ('app."v.1"', "unacknowledged-view"),
        ("app.f(a integer)", "unacknowledged-function"),
        ("app.g(a integer)", "unacknowledged-function"),
        ("app.g(a text)", "unacknowledged-function"),
    }
    left = unacknowledged(
        found,
        settings(
            acknowledged=(
                acknowledge("view", 'app."v.1"'),
                acknowledge("function", "app.f"),
                acknowledge("function", "app.g(a text)"),
                acknowledge("function", "app.g"),
                acknowledge("materialized_view", 'app."v.1"'),
            )
        ),
    )
    assert [(f.subject, f.severity, f.code) for f in left if f.severity is not Severity.NOTE] == [
        ("app.g(a integer)", Severity.ERROR, "unacknowledged-function"),
        ("app.g", Severity.WARNING, "unknown-acknowledgement"),
        ('app."v.1"', Severity.WARNING, "unknown-acknowledgement"),
    ]
    assert left[-2].hint.startswith("did you mean app.g(a ")
    assert left[-2].at == HERE
    (hint,) = (f.hint for f in left if f.subject == "app.g(a integer)")
    assert '{function: "app.g(a integer)", because:' in hint


def test_an_acknowledgement_of_what_is_gone_is_a_warning(world: World) -> None:
    (finding,) = (f for f in unacknowledged((), settings(acknowledged=(acknowledge("view", "app.old_report"),))))
    assert (finding.severity, finding.subject) == (Severity.WARNING, "app.old_report")


def test_pagila(pagila: FreshDatabase) -> None:
    """Real views: by hand, those of Pagila that read customer or a table below it."""
    from pgerase.catalog.read import read_catalog
    from pgerase.database import Database

    with Database.open(pagila.dsn()) as connection:
        catalog = read_catalog(connection)
    found = impact(catalog, (Name("public", "customer"), Name("public", "payment")), (), (), None)
    independent = {
        row[0]
        for row in pagila.connect().execute(
            """
            with recursive uses as (
                select distinct r.ev_class as v, d.refobjid as t
                  from pg_depend d join pg_rewrite r on r.oid = d.objid and d.classid = 'pg_rewrite'::regclass
                 where d.refclassid = 'pg_class'::regclass and d.refobjid <> r.ev_class
                union
                select u.v, x.ref from uses u
                  join (select r.ev_class, d.refobjid as ref from pg_depend d join pg_rewrite r on r.oid = d.objid
                         where d.refclassid = 'pg_class'::regclass) x on x.ev_class = u.t
            )
            select distinct 'public.' || c.relname from uses join pg_class c on c.oid = v
             where t in (select 'customer'::regclass union select 'payment'::regclass
                         union select inhrelid from pg_inherits where inhparent = 'payment'::regclass)
            """
        )
    }
    assert {item.name for item in found if item.kind in ("view", "materialized_view")} == independent
    assert independent, "Pagila has such views"


def test_a_definer_function_blinded_as_measured(world: World) -> None:
    """The login function of the field notes: it finds the person before and returns null after, without an error."""
    world.do(
        "insert into app.company values (1, 'x');"
        "create function app.login(who text) returns integer language sql security definer as 'select id from app.company where name = who'"
    )
    assert impacts(world)["function", "app.login(who text)"].severity is Severity.ERROR
    world.do("grant usage on schema app to {other}")
    assert world.run_as(world.other, b"select app.login('x')") == (1,)
    world.do("alter table app.company enable row level security, force row level security")
    assert world.run_as(world.other, b"select app.login('x')") == (None,)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        world.run_as(world.other, b"select * from app.company")
