"""Each way around row security: made with plain DDL it is found, shut again it is gone. Severity depends on who can use it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pgerase.catalog.model import Name, SessionSetting
from pgerase.check.door import Door, judge
from pgerase.check.doors import doors
from pgerase.errors import Severity
from pgerase.rules.pack import AcceptedDoor
from tests.catalog.world import COMPANY, EVENT, EVENT_1, GOVERNED, HERE, NOTE, World

ERROR, WARNING = Severity.ERROR, Severity.WARNING


def opened(world: World) -> dict[tuple[str, str], Door]:
    """Doors of this database's own roles and objects, by what accepts them."""
    return {(door.kind, door.name): door for door in world.doors()}


def severities(world: World, kind: str) -> dict[str, Severity]:
    return {name: door.severity for (found, name), door in opened(world).items() if found == kind}


def test_after_installing_only_the_operators_and_the_owner_remain(governed_world: World) -> None:
    world = governed_world
    found = opened(world)
    assert set(found) == {("owner", world.owner), ("createrole", world.owner)}
    assert found["owner", world.owner].severity is WARNING
    assert found["owner", world.owner].tables == (COMPANY, EVENT, EVENT_1, NOTE)
    catalog = world.catalog()
    listed = {door.name for door in doors(catalog, GOVERNED, world.prefix) if door.kind == "superuser"}
    assert listed >= {role.name for role in catalog.roles.values() if role.superuser}


def test_superusers_and_who_can_become_one(governed_world: World) -> None:
    world = governed_world
    boss = world.role("boss", "superuser")
    assert opened(world)["superuser", boss].severity is WARNING
    world.admin(f"grant {boss} to {{other}}")
    assert severities(world, "superuser")[world.other] is WARNING
    world.admin(f"grant {boss} to {{web}}")
    assert severities(world, "superuser")[world.web] is ERROR
    assert severities(world, "superuser")[boss] is ERROR
    world.admin(f"revoke {boss} from {{web}}, {{other}}")
    assert not {world.web, world.other} & severities(world, "superuser").keys()


def test_bypassrls_and_who_can_become_one(governed_world: World) -> None:
    world = governed_world
    world.admin("alter role {other} bypassrls")
    assert severities(world, "bypassrls") == {world.other: WARNING}
    world.admin("grant {other} to {web}")
    assert severities(world, "bypassrls") == {world.other: ERROR, world.web: ERROR}
    world.admin("revoke {other} from {web}; alter role {other} nobypassrls; alter role {web} bypassrls")
    assert severities(world, "bypassrls") == {world.web: ERROR}
    world.admin("alter role {web} nobypassrls")
    assert severities(world, "bypassrls") == {}


def test_membership_that_only_admin_option_gives_counts(governed_world: World) -> None:
    world = governed_world
    if world.catalog().server_version < 160000:
        pytest.skip("before PostgreSQL 16 every membership can be used")
    world.admin("alter role {other} bypassrls; grant {other} to {etl} with admin true, inherit false, set false")
    assert severities(world, "bypassrls") == {world.other: WARNING, world.etl: WARNING}
    world.admin("revoke {other} from {etl}; grant {other} to {etl} with inherit true, set false")
    assert severities(world, "bypassrls") == {world.other: WARNING}, "inheriting brings privileges, not attributes"


def test_owner_and_who_can_act_as_it(governed_world: World) -> None:
    world = governed_world
    world.admin("grant {owner} to {other}")
    assert severities(world, "owner") == {world.owner: WARNING, world.other: WARNING}
    world.admin("grant {owner} to {web}")
    assert severities(world, "owner") == {world.owner: ERROR, world.other: WARNING, world.web: ERROR}
    world.admin("revoke {owner} from {web}, {other}")
    assert severities(world, "owner") == {world.owner: WARNING}


def test_schema_owner(governed_world: World) -> None:
    world = governed_world
    assert severities(world, "owner") == {world.owner: WARNING}
    world.admin("alter schema app owner to {other}")
    assert severities(world, "owner") == {world.owner: WARNING, world.other: WARNING}


def test_role_makers(governed_world: World) -> None:
    world = governed_world
    world.admin("alter role {other} createrole")
    modern = world.catalog().server_version >= 160000
    assert severities(world, "createrole")[world.other] is (Severity.NOTE if modern else WARNING)
    world.admin("grant {eraser} to {other} with admin option")
    assert severities(world, "createrole")[world.other] is WARNING
    world.admin("revoke {eraser} from {other}; alter role {other} nocreaterole; alter role {web} createrole")
    assert severities(world, "createrole") == {
        world.web: ERROR,
        world.owner: severities(world, "createrole")[world.owner],
    }


def test_replication(governed_world: World) -> None:
    world = governed_world
    world.admin("alter role {other} replication")
    assert severities(world, "replication") == {world.other: WARNING}
    world.admin("alter role {other} noreplication")
    assert severities(world, "replication") == {}


@pytest.mark.parametrize("private", ["lookup", "eraser", "secret", "masker", "keeper"])
def test_members_of_private_roles(governed_world: World, private: str) -> None:
    world = governed_world
    world.admin(f"grant {{{private}}} to {{owner}}")
    assert severities(world, "member") == {f"{world.prefix}_{private}/{world.owner}": ERROR}
    world.admin(f"revoke {{{private}}} from {{owner}}")
    assert severities(world, "member") == {}


def test_admin_option_alone_is_no_membership(governed_world: World) -> None:
    world = governed_world
    if world.catalog().server_version < 160000:
        pytest.skip("before PostgreSQL 16 every membership can be used")
    world.admin("grant {eraser} to {owner} with admin true, inherit false, set false")
    assert severities(world, "member") == {}
    assert f"{world.prefix}_eraser" in opened(world)["createrole", world.owner].message


def test_private_roles_stay_as_they_were_made(governed_world: World) -> None:
    world = governed_world
    world.admin("alter role {lookup} login bypassrls")
    assert "LOGIN, BYPASSRLS" in opened(world)["role", f"{world.prefix}_lookup"].message
    world.admin("alter role {lookup} nologin nobypassrls")
    assert severities(world, "role") == {}


def test_private_schemas(governed_world: World) -> None:
    world = governed_world
    world.admin("create schema {internal}; create schema {lookup} authorization {lookup}")
    assert severities(world, "grant") == {}
    world.admin("grant usage on schema {lookup} to {viewer}; grant create on schema {internal} to public")
    assert severities(world, "grant") == {
        f"{world.prefix}_viewer/{world.prefix}_lookup": ERROR,
        f"public/{world.prefix}_internal": ERROR,
    }


@pytest.mark.parametrize("strong", ["pg_read_all_data", "pg_execute_server_program", "pg_read_all_stats"])
def test_members_of_predefined_roles(governed_world: World, strong: str) -> None:
    world = governed_world
    world.admin(f"grant {strong} to {{other}}")
    assert severities(world, "member") == {f"{strong}/{world.other}": WARNING}
    world.admin(f"grant {strong} to {{web}}")
    assert severities(world, "member") == {f"{strong}/{world.other}": WARNING, f"{strong}/{world.web}": ERROR}
    world.admin(f"revoke {strong} from {{web}}, {{other}}")
    assert severities(world, "member") == {}


def test_settings_that_switch_triggers_off_wherever_they_are_made(governed_world: World) -> None:
    """Threat: one ALTER ROLE, and nothing that the role writes is captured or guarded any more."""
    world = governed_world
    assert severities(world, "setting") == {}
    database = world.catalog().database
    world.admin(
        "alter role {other} set session_replication_role = 'REPLICA'; alter role {web} set session_replication_role = local;"
        f'alter role {{web}} in database "{database}" set session_replication_role = replica;'
        f'alter database "{database}" set session_replication_role = replica'
    )
    assert severities(world, "setting") == {
        f"{world.other}/session_replication_role": WARNING,
        f"{world.web} in {database}/session_replication_role": ERROR,
        f"{database}/session_replication_role": ERROR,
    }
    for door in world.doors():
        if door.kind == "setting":
            world.admin(door.fix)
    assert severities(world, "setting") == {}
    told = SessionSetting("session_replication_role", "replica", None, None, server=True)
    (door,) = (
        door
        for door in doors(replace(world.catalog(), session_settings=(told,)), (), world.prefix)
        if door.kind == "setting"
    )
    assert (door.name, door.fix.splitlines()[0]) == (
        "server/session_replication_role",
        "alter system reset session_replication_role;",
    )


def test_parameters_that_were_given_away(governed_world: World) -> None:
    world = governed_world
    world.admin("grant set on parameter work_mem to {web}; grant set on parameter session_preload_libraries to {other}")
    assert severities(world, "grant") == {f"{world.other}/session_preload_libraries": WARNING}
    world.admin(
        "grant alter system on parameter work_mem to {web}; grant set on parameter session_replication_role to public"
    )
    assert severities(world, "grant") == {
        f"{world.other}/session_preload_libraries": WARNING,
        f"{world.web}/work_mem": ERROR,
        "public/session_replication_role": ERROR,
    }
    for door in world.doors():
        if door.kind == "grant":
            world.admin(door.fix)
    assert severities(world, "grant") == {}


def test_members_are_found_through_other_roles(governed_world: World) -> None:
    world = governed_world
    world.admin("grant pg_monitor to {other}; grant {other} to {web}")
    assert severities(world, "member") == {
        f"pg_read_all_stats/{world.other}": ERROR,
        f"pg_read_all_stats/{world.web}": ERROR,
    }


def test_a_pool_login_that_may_set_an_application_s_role(governed_world: World) -> None:
    world = governed_world
    pool = world.role("pool", "noinherit")
    name = f"{world.prefix}_viewer/{pool}"
    world.admin(f"grant {{web}} to {pool}")
    door = opened(world)["member", name]
    assert (door.severity, "can SET ROLE to" in door.message, "no rule is for it" in door.message) == (
        WARNING,
        True,
        True,
    )
    world.admin(f"revoke {{web}} from {pool}; grant {{viewer}} to {pool}")
    assert severities(world, "member") == {}, "a member of the viewer role itself is the plan's, or drift"
    world.admin(f"revoke {{viewer}} from {pool}; grant {{web}} to {{other}}")
    door = opened(world)["member", f"{world.prefix}_viewer/{world.other}"]
    assert (door.severity, "inherits from" in door.message) == (WARNING, True)
    world.admin("revoke {web} from {other}")
    assert severities(world, "member") == {}


def test_a_pool_login_of_several_applications_is_one_door_that_names_them(governed_world: World) -> None:
    world = governed_world
    pool = world.role("pool", "noinherit")
    world.admin(f"grant {{viewer}} to {{other}}; grant {{web}}, {{other}} to {pool}")
    doors_found = severities(world, "member")
    assert doors_found == {f"{world.prefix}_viewer/{pool}": WARNING}
    assert (
        ", ".join(sorted((world.web, world.other))) in opened(world)["member", f"{world.prefix}_viewer/{pool}"].message
    )


def test_logins_of_a_role_that_cannot_log_in_are_what_it_was_named_for(governed_world: World) -> None:
    world = governed_world
    pool = world.role("pool", "noinherit")
    world.admin(f"alter role {{web}} nologin; grant {{web}} to {pool}")
    assert severities(world, "member") == {f"{world.prefix}_viewer/{pool}": Severity.NOTE}


def test_where_people_are_their_logins_nobody_speaks_for_others(governed_world: World) -> None:
    world = governed_world
    world.admin("grant {web} to {other}")
    speaker = ("member", f"{world.prefix}_viewer/{world.other}")
    for by_login in (False, True):
        found = {(door.kind, door.name) for door in doors(world.catalog(), GOVERNED, world.prefix, by_login=by_login)}
        assert (speaker in found) is not by_login


def test_owners_and_superusers_are_doors_of_their_own(governed_world: World) -> None:
    world = governed_world
    boss = world.role("boss", "superuser")
    world.admin(f"grant {{web}} to {boss}, {{owner}}")
    assert severities(world, "member") == {}


def test_members_of_a_service_read_what_it_reads(governed_world: World) -> None:
    world = governed_world
    world.do(
        f'create policy "{world.prefix}_service" on app.note for select to {{etl}} using (true);'
        f"comment on policy \"{world.prefix}_service\" on app.note is 'Load. [pgerase exempt]'"
    )
    assert severities(world, "member") == {}
    world.admin("grant {etl} to {other}")
    door = opened(world)["member", f"{world.etl}/{world.other}"]
    assert (door.severity, door.tables) == (WARNING, (NOTE,))
    world.admin("revoke {etl} from {other}; grant {etl} to {web}")
    assert severities(world, "member") == {f"{world.etl}/{world.web}": ERROR}
    world.admin("revoke {etl} from {web}")
    assert severities(world, "member") == {}


def test_table_not_enabled_or_not_forced(governed_world: World) -> None:
    world = governed_world
    world.do("alter table app.company no force row level security")
    door = opened(world)["table", "app.company"]
    assert (door.severity, "not forced" in door.message) == (ERROR, True)
    world.do("alter table app.company force row level security; alter table app.company disable row level security")
    assert "no row security" in opened(world)["table", "app.company"].message
    world.do("alter table app.company enable row level security")
    assert severities(world, "table") == {}


def test_leaf_without_row_security(governed_world: World) -> None:
    world = governed_world
    world.do("create table app.event_2 partition of app.event for values in (2)")
    assert severities(world, "table") == {"app.event_2": WARNING}
    world.do("grant select on app.event_2 to {other}")
    assert severities(world, "table") == {"app.event_2": ERROR}
    world.do("alter table app.event_2 enable row level security, force row level security")
    assert severities(world, "table") == {}


def test_legacy_child_and_ungoverned_parent(governed_world: World) -> None:
    world = governed_world
    world.do("create table app.special_note () inherits (app.note)")
    assert severities(world, "table") == {"app.special_note": WARNING}
    world.do(
        "drop table app.special_note; create table app.anything (id integer not null); alter table app.company inherit app.anything"
    )
    assert severities(world, "table") == {"app.anything": WARNING}
    world.do("grant select on app.anything to {web}")
    assert severities(world, "table") == {"app.anything": ERROR}
    world.do("alter table app.company no inherit app.anything")
    assert severities(world, "table") == {}


def test_foreign_permissive_policy(governed_world: World) -> None:
    world = governed_world
    world.do("create policy old on app.event_1 for select to {web} using (id < 10)")
    world.do("create policy etl on app.note for select to {etl} using (true)")
    world.do("create policy narrow on app.note as restrictive using (id < 10)")
    assert severities(world, "policy") == {"app.event_1.old": ERROR, "app.note.etl": WARNING}
    # Neither the prefix nor the mark alone makes it ours.
    world.do(f'alter policy old on app.event_1 rename to "{world.prefix}_old"')
    world.do("comment on policy etl on app.note is 'ours [pgerase rule=x]'")
    assert severities(world, "policy") == {f"app.event_1.{world.prefix}_old": ERROR, "app.note.etl": WARNING}
    world.do(f'drop policy "{world.prefix}_old" on app.event_1; drop policy etl on app.note')
    assert severities(world, "policy") == {}


def test_view_that_reads_as_somebody_who_sees_all(governed_world: World) -> None:
    world = governed_world
    world.do("create view app.v as select * from app.company; grant select on app.v to {web}")
    assert severities(world, "view") == {}, "its owner is bound by FORCE"
    world.do("alter table app.company no force row level security")
    assert severities(world, "view") == {"app.v": ERROR}
    world.do("alter table app.company force row level security")
    world.admin("create view app.s as select * from app.note; grant select on app.s to {other}")
    assert severities(world, "view") == {"app.s": WARNING}
    world.admin("grant select on app.s to public")
    assert severities(world, "view") == {"app.s": ERROR}
    world.admin("alter view app.s set (security_invoker = true)")
    assert severities(world, "view") == {}


def test_view_over_a_view_that_sees_all(governed_world: World) -> None:
    world = governed_world
    world.admin("create view app.s as select * from app.note; grant select on app.s to {owner}")
    world.do("create view app.front as select * from app.s; grant select on app.front to {web}")
    assert severities(world, "view") == {"app.s": WARNING, "app.front": ERROR}
    world.do("revoke select on app.front from {web}")
    assert severities(world, "view") == {"app.s": WARNING}


def test_view_of_an_exempt_role(governed_world: World) -> None:
    world = governed_world
    world.do("create view app.e as select * from app.note; grant select on app.e to {web}")
    world.admin("grant select on app.note to {eraser}; alter view app.e owner to {eraser}")
    assert severities(world, "view") == {"app.e": ERROR}


def test_view_nobody_may_read_is_no_door(governed_world: World) -> None:
    governed_world.admin("create view app.s as select * from app.note")
    assert severities(governed_world, "view") == {}


def test_materialized_view_keeps_what_it_holds(governed_world: World) -> None:
    world = governed_world
    world.do("create materialized view app.m as select * from app.company; grant select on app.m to {web}")
    assert severities(world, "materialized_view") == {"app.m": WARNING}
    world.admin("alter materialized view app.m owner to current_user")
    assert severities(world, "materialized_view") == {"app.m": ERROR}
    world.admin(
        "create view app.over with (security_invoker) as select * from app.m; grant select on app.over to {web}"
    )
    assert severities(world, "view") == {"app.over": ERROR}
    world.admin("drop view app.over; revoke select on app.m from {web}, {owner}")
    assert severities(world, "materialized_view") == {}


def test_definer_function_that_sees_all(governed_world: World) -> None:
    world = governed_world
    world.admin(
        "create function app.f() returns bigint language sql security definer as 'select count(*) from app.note';"
        "create function app.dynamic() returns void language plpgsql security definer as 'begin execute ''select 1''; end';"
        "create function app.plain() returns bigint language sql as 'select count(*) from app.note'"
    )
    assert severities(world, "function") == {"app.f()": ERROR, "app.dynamic()": WARNING}
    world.admin("revoke execute on function app.f() from public; grant execute on function app.f() to {other}")
    assert severities(world, "function")["app.f()"] is WARNING
    world.admin("revoke execute on function app.f() from {other}; alter function app.dynamic() owner to {owner}")
    assert severities(world, "function") == {}


def test_leakproof_is_an_unchecked_claim(governed_world: World) -> None:
    governed_world.admin("create function app.f(a integer) returns boolean language sql leakproof as 'select true'")
    assert severities(governed_world, "leakproof") == {"app.f(a integer)": WARNING}


def test_privileges_that_policies_do_not_bind(governed_world: World) -> None:
    world = governed_world
    world.do(
        "grant truncate on app.company, app.note to {web}; grant trigger on app.note to {other};"
        "grant references (id) on app.company to public"
    )
    found = opened(world)
    assert (found["grant", f"{world.web}/TRUNCATE"].severity, found["grant", f"{world.web}/TRUNCATE"].tables) == (
        ERROR,
        (COMPANY, NOTE),
    )
    assert found["grant", f"{world.other}/TRIGGER"].severity is WARNING
    assert found["grant", "public/REFERENCES"].severity is WARNING
    world.admin("grant {other} to {web}")
    assert severities(world, "grant")[f"{world.other}/TRIGGER"] is ERROR
    world.do("revoke trigger on app.note from {other}; revoke truncate on app.company, app.note from {web}")
    assert list(severities(world, "grant")) == ["public/REFERENCES"]


def test_the_fix_takes_a_membership_from_whoever_granted_it(governed_world: World) -> None:
    world = governed_world
    world.admin("grant {web} to {owner} with admin option")
    world.do("grant {web} to {other}")
    door = opened(world)["member", f"{world.prefix}_viewer/{world.other}"]
    world.connection.execute(door.fix.encode())
    assert ("member", door.name) not in opened(world)


def test_default_privileges_in_every_schema(governed_world: World) -> None:
    world = governed_world
    world.do("alter default privileges grant select, insert on tables to {web}, {other}")
    door = opened(world)["grant", f"{world.web}/{world.owner}"]
    assert (door.severity, door.tables) == (WARNING, (EVENT,))
    assert severities(world, "grant") == {door.name: WARNING}, "others are not bound by the rules"
    world.connection.execute(door.fix.encode())
    assert severities(world, "grant") == {}


def test_a_trigger_of_a_partitioned_table_is_one_door(governed_world: World) -> None:
    world = governed_world
    world.admin(
        "create function app.count_them() returns trigger language plpgsql security definer as"
        " 'begin perform count(*) from app.company; return new; end';"
        "create trigger count_them before insert on app.event for each row execute function app.count_them();"
        "grant insert on app.event, app.event_1 to {web}"
    )
    assert severities(world, "trigger") == {"app.event.count_them": WARNING}
    world.admin("alter function app.count_them() owner to {owner}")
    assert severities(world, "trigger") == {}


def test_functions_that_are_settled_or_harmless_need_no_search_path(governed_world: World) -> None:
    world = governed_world
    world.admin(
        "create function app.open_(n integer) returns bigint language sql security definer as 'select n::bigint';"
        "create function app.settled(n integer) returns bigint language sql security definer return n;"
        "create function app.fixed(n integer) returns bigint language sql security definer set search_path = '' as 'select n::bigint';"
        "create function app.caller(n integer) returns bigint language sql as 'select n::bigint';"
        "create function app.weak(n integer) returns bigint language sql security definer as 'select n::bigint';"
        "alter function app.weak owner to {other}"
    )
    assert severities(world, "search_path") == {"app.open_(n integer)": WARNING}
    world.admin("revoke execute on function app.open_ from public; grant execute on function app.open_ to {other}")
    assert severities(world, "search_path") == {}


@pytest.mark.parametrize(
    ("publication", "fix"),
    [
        ("for table app.event, app.note", "alter publication pub drop table app.event, app.note;"),
        ("for tables in schema app", "alter publication pub drop tables in schema app;"),
        ("for all tables", "drop publication pub;"),
    ],
)
def test_publications_are_left_as_they_were_made(governed_world: World, publication: str, fix: str) -> None:
    world = governed_world
    world.admin(f"create publication pub {publication}")
    door = opened(world)["publication", "pub"]
    assert door.fix == fix
    world.connection.execute(door.fix.encode())
    assert severities(world, "publication") == {}


def test_publication_of_governed_tables(governed_world: World) -> None:
    world = governed_world
    world.admin("create publication pub for table app.event")
    assert severities(world, "publication") == {"pub": WARNING}
    world.admin("drop publication pub")
    assert severities(world, "publication") == {}


def may_insert(world: World) -> None:
    """Viewers may insert notes: by right, and by a policy of pgerase."""
    world.do(
        "grant insert on app.note to {viewer};"
        f'create policy "{world.prefix}_insert" on app.note for insert to {{viewer}} with check (id > 0);'
        f"comment on policy \"{world.prefix}_insert\" on app.note is 'Rules. [pgerase rule=x sha256=00]'"
    )


def test_unique_indexes_are_oracles_by_what_they_are_over(governed_world: World) -> None:
    world = governed_world
    world.do(
        "alter table app.note add mail text unique, add number integer unique, add drawn uuid unique default gen_random_uuid(),"
        " add counted integer unique generated by default as identity;"
        "alter table app.note add unique (company_id, body);"
        "create unique index note_lower on app.note (lower(body));"
        "create unique index note_both on app.note (body, counted)"
    )
    world.do("grant insert on app.note to {viewer}")
    assert severities(world, "unique_oracle") == {}, "no policy lets anybody insert"
    may_insert(world)
    expected = {
        "app.note.note_pkey": Severity.NOTE,
        "app.note.note_number_key": Severity.NOTE,
        "app.note.note_mail_key": WARNING,
        "app.note.note_lower": WARNING,
        "app.note.note_company_id_body_key": Severity.NOTE,
    }
    assert severities(world, "unique_oracle") == expected
    personal = doors(world.catalog(), GOVERNED, world.prefix, personal={NOTE: ("number",)})
    found = {door.name: door for door in personal if door.kind == "unique_oracle"}
    assert found["app.note.note_number_key"].severity is WARNING
    assert "personal data (number)" in found["app.note.note_number_key"].message


def test_only_columns_that_may_be_written_are_oracles(governed_world: World) -> None:
    world = governed_world
    may_insert(world)
    world.do("create unique index on app.note (body); revoke insert on app.note from {viewer}")
    world.do("grant insert (id) on app.note to {viewer}; grant update on app.note to {viewer}")
    assert severities(world, "unique_oracle") == {"app.note.note_pkey": Severity.NOTE}, "no policy is for updates"
    world.do("grant insert (body) on app.note to {web}")
    assert set(severities(world, "unique_oracle")) == {"app.note.note_pkey", "app.note.note_body_idx"}


def test_a_table_that_is_shown_to_everybody_hides_nothing(governed_world: World) -> None:
    world = governed_world
    may_insert(world)
    world.do("create index note_lower on app.note (lower(body))")
    assert severities(world, "index") == {"app.note.note_lower": Severity.NOTE}
    world.do(f'alter policy "{world.prefix}_read" on app.note using (true)')
    assert (severities(world, "unique_oracle"), severities(world, "index")) == ({}, {})
    assert severities(world, "foreign_key_oracle") == {"app.note.note_company_id_fkey": Severity.NOTE}
    world.do(f'alter policy "{world.prefix}_read" on app.company using (true)')
    assert severities(world, "foreign_key_oracle") == {}


def test_a_requirement_that_asks_for_the_parent_shuts_the_foreign_key_oracle(governed_world: World) -> None:
    world = governed_world
    may_insert(world)
    assert severities(world, "foreign_key_oracle") == {"app.note.note_company_id_fkey": Severity.NOTE}
    world.do(
        f'create policy "{world.prefix}_require" on app.note as restrictive for insert to {{viewer}}'
        " with check (company_id in (select id from app.company));"
        f"comment on policy \"{world.prefix}_require\" on app.note is 'Rules. [pgerase rule=x sha256=00]'"
    )
    assert severities(world, "foreign_key_oracle") == {}


def test_actions_of_foreign_keys_are_notes(governed_world: World) -> None:
    world = governed_world
    assert severities(world, "foreign_key") == {}
    world.do(
        "alter table app.note drop constraint note_company_id_fkey;"
        "alter table app.note add constraint fk foreign key (company_id) references app.company on delete cascade"
    )
    assert severities(world, "foreign_key") == {"app.note.fk": Severity.NOTE}


@pytest.mark.parametrize(
    ("key", "operators", "advice"),
    [
        ("lower(body)", (), "generated column"),
        ("price", ("<", "<=", "=", ">", ">="), "whole units"),
        ("mood", ("<", "<=", "=", ">", ">="), "CHECK"),
    ],
)
def test_leaky_keys_of_an_index(governed_world: World, key: str, operators: tuple[str, ...], advice: str) -> None:
    world = governed_world
    world.do(
        "create type app.mood as enum ('glad'); alter table app.note add price numeric(10, 2), add mood app.mood;"
        f"create index leaky on app.note (id, ({key}), body)"
    )
    (index,) = (one for one in world.catalog().tables[NOTE].indexes if one.name == "leaky")
    assert [(one.key, one.operators) for one in index.leaky] == [(key, operators)]
    assert advice in opened(world)["index", "app.note.leaky"].hint


def test_viewers_may_be_given_before_they_are_members(world: World) -> None:
    world.admin("alter role {other} bypassrls")
    found = {(d.kind, d.name): d for d in doors(world.catalog(), GOVERNED, world.prefix, viewers={world.other})}
    assert found["bypassrls", world.other].severity is ERROR


def test_database_owner_stands_behind_pg_database_owner(governed_world: World) -> None:
    world = governed_world
    world.admin("create table public.t (id integer)")
    catalog = world.catalog()
    for owner, expected in ((world.other, {world.other}), (catalog.owner, set[str]())):
        changed = replace(catalog, owner=owner)
        names = {d.name for d in doors(changed, (Name("public", "t"),), world.prefix) if "owns schema" in d.message}
        assert names == expected


def accept(kind: str, name: str) -> AcceptedDoor:
    return AcceptedDoor(kind, name, "on purpose", HERE)


def test_accepting_matches_kind_and_name_exactly(governed_world: World) -> None:
    world = governed_world
    world.admin(
        "alter role {other} bypassrls;"
        "create function app.f(a integer) returns bigint language sql security definer as 'select 1 from app.note'"
    )
    found = [door for door in opened(world).values() if door.kind in ("bypassrls", "function")]
    assert [(f.code, f.subject, f.severity) for f in judge(found, ())] == [
        ("door-bypassrls", world.other, WARNING),
        ("door-definer-function", "app.f(a integer)", ERROR),
    ]
    assert f'{{bypassrls: "{world.other}", because:' in judge(found, ())[0].hint
    assert judge(found, (accept("bypassrls", world.other), accept("function", "app.f"))) == ()
    left = judge(
        found, (accept("superuser", world.other), accept("function", "app.f(a integer)"), accept("function", "app.g"))
    )
    assert [(f.code, f.subject, f.severity) for f in left] == [
        ("door-bypassrls", world.other, WARNING),
        ("unknown-acceptance", world.other, WARNING),
        ("unknown-acceptance", "app.g", WARNING),
    ]
    assert (left[2].at, "app.f" in left[2].hint) == (HERE, True)


def test_order_is_by_kind_and_name(governed_world: World) -> None:
    world = governed_world
    world.do("grant truncate on app.note to {other}, {etl}")
    keys = [(door.kind, door.name) for door in doors(world.catalog(), GOVERNED, world.prefix)]
    assert keys == sorted(set(keys))
