"""Who reads a column: masked views, and grants that are taken and given back."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from pgerase.apply.execute import apply_plan
from pgerase.apply.ledger import drift, read_state
from pgerase.catalog.model import Name
from pgerase.database import Database
from pgerase.install import install
from pgerase.plan.revert import make_off, make_revert
from pgerase.plan.whole import plan_whole
from pgerase.rules.read import read_pack
from pgerase.session import as_viewer
from tests.columns.conftest import DESK
from tests.fix_database import FreshDatabase
from tests.real.deployment import Deployment, copy_pack
from tests.verify.conftest import Site

LEAD, RED, BLUE, HR, ADMIN, GONE = "1", "2", "3", "4", "5", "6"


def rows(site: Deployment, viewer: str | None, statement: str, role: str = "web") -> list[tuple]:
    with site.session(viewer, site.roles[role]) as connection:
        return connection.execute(statement.replace("{P}", site.prefix)).fetchall()


def test_a_masked_view_shows_the_rows_and_the_columns_that_its_reader_may_read(desk: Site):
    notes = "select id, notes from {P}.task order by id"
    assert rows(desk, RED, notes) == [(1, "call back"), (2, None), (3, "tax"), (4, "orphan"), (5, "board")]
    hidden = [(number, "(hidden)") for number in (1, 2, 3, 4, 5)]
    assert rows(desk, BLUE, notes) == hidden
    # Of no team: unknown, so hidden. Super admins are bound.
    assert rows(desk, HR, notes) == hidden
    assert rows(desk, ADMIN, notes) == hidden
    for nobody in (None, GONE, "77", "abc"):
        assert rows(desk, nobody, notes) == []


def test_a_right_that_speaks_of_rows_is_asked_row_by_row_and_not_through_reach(desk: Site):
    pay = "select id, pay from {P}.person where pay is not null order by id"
    assert [(key, float(value)) for key, value in rows(desk, LEAD, pay)] == [(1, 9000.0), (2, 5000.5), (3, 5100.0)]
    assert [key for key, _ in rows(desk, RED, pay)] == [2]
    assert rows(desk, HR, pay) == [(4, 7000)]
    assert rows(desk, RED, "select id, secret from {P}.diary order by id") == [(1, "mine"), (2, None), (3, None)]
    # A manager reads the rows of those below, not what is theirs alone.
    assert rows(desk, LEAD, "select id, secret from {P}.diary order by id") == [(1, None), (2, None), (3, None)]


def test_a_mask_has_the_columns_own_type(desk: Site):
    born = "select distinct born::text, pg_typeof(born)::text from {P}.person"
    assert rows(desk, RED, born) == [("1900-01-01", "date")]
    with desk.database.connect_admin() as admin:
        types = """
            select a.attname, format_type(a.atttypid, a.atttypmod) from pg_attribute a
            where a.attrelid = %s::regclass and a.attnum > 0 order by a.attnum
        """
        for table in ("person", "task", "diary"):
            seen = admin.execute(types, [f"{desk.prefix}.{table}"]).fetchall()
            assert seen == admin.execute(types, [f"desk.{table}"]).fetchall()


def test_the_table_itself_shows_what_everyone_may_read_and_nothing_else(desk: Site):
    assert rows(desk, BLUE, "select id, team, score from desk.task where id = 1") == [(1, "red", 1.5)]
    for statement in (
        "select notes from desk.task",
        "select * from desk.task",
        "select t from desk.task t",
        "select 1 from desk.task where notes like 'call%'",
        "select count(*) from desk.task group by notes",
        "select id from desk.task order by notes",
        "copy desk.task to stdout",
        "update desk.task set team = 'red' returning notes",
        "update desk.task set code = notes where id = 1",
        "insert into desk.task (id) values (1) on conflict (id) do update set code = excluded.notes",
        "delete from desk.task where notes = 'tax'",
        "create temporary view peek as select notes from desk.task; select * from peek",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            rows(desk, BLUE, statement)


def test_conditions_and_functions_of_the_reader_see_the_mask_alone(desk: Site):
    with desk.session(BLUE, desk.roles["web"]) as connection:
        connection.execute(
            """
            create function pg_temp.tell(p_notes text) returns boolean language plpgsql cost 0.0000001 as $$
            begin
                raise notice 'saw %', p_notes;
                return true;
            end;
            $$
            """
        )
        told: set[str] = set()
        connection.add_notice_handler(lambda diagnostic: told.add(diagnostic.message_primary or ""))
        statement = f"select count(*) from {desk.prefix}.task where pg_temp.tell(notes)"
        assert connection.execute(statement).fetchone() == (5,)
        assert told == {"saw (hidden)"}
        for guess in ("notes = 'tax'", "notes ilike 't%'", "notes > 'a' and notes < 'u'", "length(notes) = 3"):
            found = connection.execute(f"select id from {desk.prefix}.task where {guess}").fetchall()
            assert found == [], guess
        plan = connection.execute(f"explain (verbose) select notes from {desk.prefix}.task where notes = 'tax'")
        assert "call back" not in str(plan.fetchall())
        # Sorting and grouping go by what is shown.
        assert connection.execute(f"select count(distinct notes) from {desk.prefix}.task").fetchone() == (1,)


def test_an_application_finds_the_view_by_its_search_path_and_writes_the_table(desk: Site):
    with psycopg.connect(desk.database.dsn(desk.roles["web"])) as connection:
        connection.execute(f"set search_path = {desk.prefix}, desk")
        with as_viewer(connection, RED, prefix=desk.prefix):
            row = connection.execute("select * from task where id = 1").fetchone()
            assert row is not None
            assert "call back" in row
            # The view is for reading: whoever names the table writes it, and reads what the statement needs of it.
            with pytest.raises(psycopg.errors.InsufficientPrivilege), connection.transaction():
                connection.execute("update task set team = 'x' where id = 1")
            assert connection.execute("update desk.task set team = 'x' where id = 1 returning team").fetchone() == (
                "x",
            )
        connection.rollback()


def test_nobody_but_those_who_read_the_table_reads_the_view(desk: Site):
    stranger = desk.database.role("stranger")
    with desk.database.connect_admin() as admin:
        grants = admin.execute(
            "select coalesce(r.rolname, 'public'), a.privilege_type from pg_class c, aclexplode(c.relacl) a"
            " left join pg_roles r on r.oid = a.grantee where c.oid = %s::regclass and a.grantee <> c.relowner",
            [f"{desk.prefix}.task"],
        ).fetchall()
        assert grants == [(desk.roles["web"], "SELECT")]
        admin.execute(f'grant "{desk.prefix}_viewer" to "{stranger}"')
    try:
        with pytest.raises(psycopg.errors.InsufficientPrivilege), psycopg.connect(desk.database.dsn(stranger)) as login:
            login.execute(f"select * from {desk.prefix}.task")
    finally:
        desk.admin(f'revoke {{P}}_viewer from "{stranger}"')


ACL = """
    select c.oid::regclass::text, a.attname, coalesce(r.rolname, 'public'), g.privilege_type, g.is_grantable,
        pg_get_userbyid(g.grantor)
    from pg_class c
        left join pg_attribute a on a.attrelid = c.oid and a.attacl is not null
        cross join lateral (
            select * from aclexplode(c.relacl) union all select * from aclexplode(a.attacl)
        ) g
        left join pg_roles r on r.oid = g.grantee
    where c.relnamespace = 'desk'::regnamespace
    order by 1, 2, 3, 4
"""


class Office(Deployment):
    """A deployment of its own, with grants of every kind."""

    def acl(self) -> list[tuple]:
        """Every privilege on every table and column of the application."""
        with self.database.connect_admin() as admin:
            return admin.execute(ACL).fetchall()

    def run(self, plan_of) -> None:
        """Carry out the plan that is made of the state and the prefix."""
        with Database.open(self.database.dsn()) as database:
            apply_plan(database, plan_of(*read_state(database, self.prefix)), allow_drop=True)

    def drift(self) -> tuple[str, ...]:
        with Database.open(self.database.dsn()) as database:
            return tuple(f"{one.code} {one.subject}" for one in drift(database, self.prefix))

    def findings(self) -> set[tuple[str, str]]:
        return {(one.code, one.subject) for one in self.plan().findings}

    def owner(self, statement: str) -> None:
        with psycopg.connect(self.database.dsn(), autocommit=True) as connection:
            connection.execute(statement.encode())


@pytest.fixture
def office(server: str, unique_prefix, tmp_path: Path):
    database = FreshDatabase(server, unique_prefix(), "template0")
    database.create()
    try:
        roles = {short: database.role(short) for short in ("web", "report", "etl", "team")}
        folder = copy_pack(DESK, tmp_path / "desk", prefix=database.prefix, roles=roles, app="desk")
        text = (folder / "pack.yaml").read_text(encoding="utf-8")
        app = f"  app: [{roles['web']}, {roles['report']}]\n  services: {{{roles['etl']}: {{read: all, reason: load}}}}"
        text = text.replace(f"  app: [{roles['web']}]", app)
        text += f"  - {{role: {roles['team']}, because: only web acts as it}}\n  - {{role: public, because: titles alone}}\n"
        (folder / "pack.yaml").write_text(text, encoding="utf-8")
        with database.connect() as connection:
            connection.execute((DESK / "schema.sql").read_bytes())
            connection.execute(
                f"grant usage on schema desk to public;"
                f"grant select, insert, update on all tables in schema desk to {roles['team']};"
                f"grant select on desk.task, desk.person to {roles['web']} with grant option;"
                f"grant select (id, team, notes), update on desk.task to {roles['report']};"
                f"grant select on desk.task to {roles['etl']}; grant select (id, title) on desk.person to public;"
                f"grant select on desk.diary, desk.person to {roles['etl']}"
            )
        with database.connect_admin() as admin:
            admin.execute(f"grant {roles['team']} to {roles['web']}")
        with Database.open(database.dsn()) as opened:
            install(opened, database.prefix, identity=read_pack(folder).identity)
        yield Office(database, folder, roles)
    finally:
        database.drop()


def test_revert_puts_every_grant_back(office: Office):
    before = office.acl()
    office.apply()
    assert office.acl() != before
    # Every way by which people read the table is narrowed: their own grants, those of roles they are in, those of columns.
    assert rows(office, RED, "select notes from {P}.task where id = 1") == [("call back",)]
    assert rows(office, RED, "select notes from {P}.task where id = 1", "report") == [("call back",)]
    for role in ("web", "report"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            rows(office, RED, "select notes from desk.task", role)
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        rows(office, RED, "select score from {P}.task", "report")
    # Services read on.
    assert len(rows(office, None, "select notes from desk.task", "etl")) == 5
    assert office.plan().pending == ()
    assert office.drift() == ()
    office.run(lambda catalog, ledger: make_revert(catalog, ledger, office.prefix, "desk"))
    assert office.acl() == before


def test_off_gives_the_grants_of_one_table_back(office: Office):
    before = office.acl()
    office.apply()
    office.run(lambda catalog, ledger: make_off(catalog, ledger, office.prefix, "desk", Name("desk", "task")))
    task = [row for row in office.acl() if row[0] == "desk.task" and not row[2].startswith(office.prefix + "_")]
    assert task == [row for row in before if row[0] == "desk.task"]
    assert len(rows(office, None, "select notes from desk.task")) == 5
    # An application that reads through the view goes on doing so.
    assert len(rows(office, RED, "select notes from {P}.task")) == 5
    office.apply()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        rows(office, RED, "select notes from desk.task")
    office.run(lambda catalog, ledger: make_revert(catalog, ledger, office.prefix, "desk"))
    assert office.acl() == before


def test_a_right_that_is_taken_out_of_the_rules_gives_the_grants_back(office: Office):
    before = office.acl()
    office.apply()
    text = (office.folder / "access.yaml").read_text(encoding="utf-8")
    (office.folder / "access.yaml").write_text(
        text.replace('      notes: {read: {team: red}, mask: "(hidden)"}\n', ""), encoding="utf-8"
    )
    with Database.open(office.database.dsn()) as database:
        apply_plan(database, office.plan(), allow_drop=True)
    task = [row for row in office.acl() if row[0] == "desk.task" and not row[2].startswith(office.prefix + "_")]
    assert task == [row for row in before if row[0] == "desk.task"]


def test_a_grant_made_again_is_drift_and_taken_again(office: Office):
    before = office.acl()
    office.apply()
    narrowed = office.acl()
    office.owner(f"grant select on desk.task to {office.roles['report']}; grant select (pay) on desk.person to public")
    assert set(office.drift()) == {
        f"changed reads {office.roles['report']} of desk.task", "changed reads public of desk.person"
    }  # fmt: skip
    office.apply()
    assert office.acl() == narrowed
    # A role that comes to the table later is narrowed as well.
    office.owner(
        f"revoke all on desk.diary from {office.roles['team']}; grant select on desk.diary to {office.roles['web']}"
    )
    office.apply()
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        rows(office, RED, "select secret from desk.diary")
    office.run(lambda catalog, ledger: make_revert(catalog, ledger, office.prefix, "desk"))
    changed = [row for row in before if not (row[0] == "desk.diary" and row[2] == office.roles["team"])]
    assert [row for row in office.acl() if row[0] != "desk.diary"] == [row for row in changed if row[0] != "desk.diary"]


def test_a_later_column_shows_where_everyone_reads_it_and_only_after_the_next_apply(office: Office):
    office.apply()
    office.owner("alter table desk.task add column later text default 'new'")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        rows(office, RED, "select later from desk.task")
    assert office.plan().pending != ()
    office.apply()
    assert rows(office, BLUE, "select later, notes from {P}.task where id = 1") == [("new", "(hidden)")]
    assert rows(office, BLUE, "select later from desk.task where id = 1") == [("new",)]


def test_what_will_answer_differently_has_to_be_acknowledged(office: Office):
    text = (office.folder / "pack.yaml").read_text(encoding="utf-8")
    (office.folder / "pack.yaml").write_text(
        "".join(line for line in text.splitlines(keepends=True) if "desk.task," not in line), encoding="utf-8"
    )
    (refusal,) = office.plan().refusals
    assert (refusal.code, refusal.subject) == ("unacknowledged-masked-table", "desk.task")
    assert f"notes through {office.prefix}.task" in refusal.message


def test_what_cannot_be_masked_is_refused(office: Office):
    web, report, etl, team = (office.roles[short] for short in ("web", "report", "etl", "team"))
    with office.database.connect_admin() as admin:
        # A grant of another than the owner.
        admin.execute(f"set role {web}; grant select on desk.task to {report}; reset role")
        assert ("grant-of-another", "desk.task") in office.findings()
        admin.execute(f"set role {web}; revoke select on desk.task from {report}; reset role")
        # People who act as a service, as the owner, or as whoever reads everything.
        for role in (etl, office.database.owner):
            admin.execute(f"grant {role} to {team}")
            assert ("mask-bypassed", "desk.person") in office.findings(), role
            admin.execute(f"revoke {role} from {team}")
        # Never committed: whoever reads all data reads that of every other test, and stands in the way of what they plan.
        with admin.transaction(force_rollback=True):
            admin.execute(f"grant pg_read_all_data to {team}")
            made = plan_whole(read_pack(office.folder), *read_state(Database(admin), office.prefix))
            assert ("mask-bypassed", "desk.person") in {(one.code, one.subject) for one in made.findings}
        # A service that reads what PUBLIC reads.
        admin.execute(f"revoke select on desk.task from {etl}; grant select on desk.task to public")
        assert ("service-through-public", "desk.task") in office.findings()
        admin.execute(f"revoke select on desk.task from public; grant select on desk.task to {etl}")
    # A policy of others that is kept, and would not bind the view's owner.
    office.owner(f"create policy weekdays on desk.task as restrictive for select to {web} using (id > 1)")
    text = (office.folder / "pack.yaml").read_text(encoding="utf-8")
    tables = "tables: {desk.person: {mode: on}, desk.task: {mode: on, existing: fence}, desk.diary: {mode: on}}\n"
    (office.folder / "pack.yaml").write_text(text.replace("acknowledge:", f"{tables}acknowledge:"), encoding="utf-8")
    assert ("mask-unfenced", "desk.task") in office.findings()


def test_a_column_that_decides_who_reads_another_is_told(desk: Site):
    told = {one.subject: one.message for one in desk.plan().findings if one.code == "mask-decided-by-row"}
    assert told.keys() == {"desk.person.pay", "desk.diary.secret"}
    assert told["desk.diary.secret"].startswith("owner_id decides")


BAD = {
    "longer than the column": ("code: {read: none, mask: far-too-long}", "bad-mask"),
    "of another type": ("score: {read: none, mask: much}", "bad-literal"),
    "of no column": ("nothing: {read: none}", "unknown-column"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mask_that_the_column_could_not_hold_is_refused(name: str, desk: Site, tmp_path: Path):
    entry, code = BAD[name]
    text = (desk.folder / "access.yaml").read_text(encoding="utf-8")
    (tmp_path / "pack.yaml").write_bytes((desk.folder / "pack.yaml").read_bytes())
    lines = [line for line in text.splitlines(keepends=True) if not line.startswith(f"      {entry.split(':')[0]}:")]
    changed = "".join(lines).replace("  diary:\n", f"      {entry}\n  diary:\n")
    (tmp_path / "access.yaml").write_text(changed, encoding="utf-8")
    refusals = Deployment(desk.database, tmp_path, desk.roles).plan().refusals
    assert {one.code for one in refusals} == {code}
