"""Where every table is governed, the owner proves a person gone through pgerase's exempt roles."""

from __future__ import annotations

from pgerase.database import Database
from pgerase.prove import Needle, PlaceKind, Verdict, prove
from pgerase.rules.read import read_pack
from tests.real.deployment import Deployment

DATA_MAP = """\
version: 1
subjects:
  employee: {table: cs.app_user, key: user_id, identifiers: {email: email, user_name: user_name}}
"""


def test_every_governed_row_is_seen(customer_success: Deployment):
    (customer_success.folder / "data_map.yaml").write_text(DATA_MAP)
    (customer_success.folder / "audit.yaml").unlink()  # it names links that this map has not
    pack = read_pack(customer_success.folder)
    with Database.open(customer_success.database.admin_dsn) as admin:
        email = admin.value("select email from cs.app_user order by user_id limit 1 offset 3")
        key = str(admin.value("select user_id from cs.app_user order by user_id limit 1 offset 3"))
    with Database.open(customer_success.database.dsn()) as database:
        there = prove(database, pack, "employee", [Needle(key, "email", email)])
        gone = prove(database, pack, "employee", [Needle(key, "email", "nobody.here@gone.example")])
        rebuilt = prove(database, pack, "employee", [Needle(key, "email", "nobody.here@gone.example")], analyze=True)
    assert there.verdict is Verdict.FAIL
    assert "cs.app_user" in {place.relation for place in there.places if place.verdict is Verdict.FAIL}
    hidden = {place.kind for place in gone.places if place.verdict is Verdict.UNVERIFIED}
    assert hidden == {PlaceKind.STATISTICS}
    assert rebuilt.verdict is Verdict.CLEAN
