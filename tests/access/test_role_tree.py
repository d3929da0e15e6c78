"""P7: the hierarchy through a tree of roles: whoever has a role has whatever people of the roles below it have."""

from __future__ import annotations

import pytest

from pgerase.apply.ledger import read_state
from pgerase.compile import compile_pack
from pgerase.database import Database
from pgerase.rules.read import read_pack
from tests.real.deployment import outcome
from tests.verify.conftest import Site

# By hand, from the tree that schema.sql draws: people of the roles below, never the peers.
REACH = {
    10: {10, 20, 21, 30, 32, 50},
    11: {11, 20, 21, 30, 32, 50},
    20: {20, 30, 32},
    21: {21, 30, 32},
    30: set(),  # inactive
    31: set(),  # erased
    32: {32},
    50: {50},
    60: {60, 70},
    61: {61, 70},
    70: {60, 61, 70},
    80: {80, 90},
    81: {81, 90},
    90: {90},
    99: {99},
}


def seen(site: Site, viewer: object) -> set[int]:
    with site.session(str(viewer)) as connection:
        return {row[0] for row in connection.execute("select id from office.document where id < 100")}


@pytest.mark.parametrize("viewer", REACH)
def test_p7_a_role_has_what_people_of_roles_below_have(viewer: int, office: Site):
    assert seen(office, viewer) == REACH[viewer]


def test_p7_a_role_writes_what_people_of_roles_below_write(office: Site):
    assert outcome(office, "20", "update office.document set secret = false where id in (20, 21, 30, 31, 32)") == "3"
    assert outcome(office, "20", "update office.document set owner_id = 32 where id = 20") == "1"
    assert outcome(office, "20", "update office.document set owner_id = 21 where id = 20") == "refused"


def test_p10_moving_a_role_or_a_person_takes_effect_at_once(office: Site):
    with office.database.connect_admin() as admin:
        try:
            admin.execute("update office.role set parent_id = 5 where id = 2")
            assert seen(office, 50) == {20, 21, 30, 32, 50}
            admin.execute("update office.person set role_id = 1 where id = 32")
            assert seen(office, 32) == {20, 21, 30, 32, 50}
            assert seen(office, 10) == {10, 20, 21, 30, 50}
        finally:
            admin.execute("update office.role set parent_id = 1 where id = 2")
            admin.execute("update office.person set role_id = 3 where id = 32")


def test_nobody_makes_a_place_in_the_tree_for_himself(office: Site):
    # The application has every privilege on the tables: the guards are what stands in the way.
    assert outcome(office, "32", "update office.person set role_id = 1 where id = 32") == "refused"
    assert outcome(office, "32", "update office.role set parent_id = 3 where id = 1") == "refused"
    assert outcome(office, "32", "insert into office.role values (100, 3, 'below me')") == "refused"
    assert outcome(office, "32", "update office.role set name = 'Boss' where id = 3") == "1"
    assert outcome(office, "1", "update office.person set role_id = 1 where id = 32") == "1"


def test_verify_compares_the_tree_and_notes_its_circles(office: Site):
    report = office.verify()
    assert report.ok, report.failures
    circles = [finding for finding in report.findings if finding.code == "hierarchy-circle"]
    assert [(finding.subject, finding.message.split(" ", 1)[0]) for finding in circles] == [("office.role", "2")]


def test_verify_sees_that_peers_were_let_in(office: Site):
    with office.database.connect_admin() as admin:
        view = f'"{office.prefix}_lookup".reach'
        definition = admin.execute("select pg_get_viewdef(%s::regclass)", [view]).fetchone()[0]
        changed = definition.replace("b.role <> b.top", "true")
        assert changed != definition, definition
        try:
            admin.execute(f"create or replace view {view} as {changed}")
            assert seen(office, 20) == {20, 21, 30, 32}
            assert not office.verify(statics=False).ok
        finally:
            admin.execute(f"create or replace view {view} as {definition}")


@pytest.mark.parametrize(
    ("manager", "code", "what"),
    [
        ("{through: role_id, up: name}", "type-mismatch", "name does not hold values of id"),
        ("{through: role_id, up: id}", "role-tree", "leads nowhere"),
        ("{through: region, up: parent_id}", "not-a-lookup", "in no foreign key"),
        ("{through: role_id, up: above}", "unknown-column", "no column above"),
    ],
)
def test_what_is_no_tree_is_refused(manager: str, code: str, what: str, office: Site, tmp_path):
    text = (office.folder / "access.yaml").read_text(encoding="utf-8")
    (tmp_path / "access.yaml").write_text(text.replace("{through: role_id, up: parent_id}", manager), encoding="utf-8")
    (tmp_path / "pack.yaml").write_text((office.folder / "pack.yaml").read_text(encoding="utf-8"), encoding="utf-8")
    with Database.open(office.database.dsn()) as database:
        catalog, _ = read_state(database, office.prefix)
    found = compile_pack(read_pack(tmp_path), catalog).findings
    assert [(one.code, what in one.message) for one in found if one.severity == "error"] == [(code, True)], found
