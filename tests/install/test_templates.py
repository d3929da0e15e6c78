"""Every template of the installation, with plain names and with hostile ones: it says what it should and nothing else."""

from __future__ import annotations

import pytest

from pgerase import resources
from pgerase.errors import InternalError
from pgerase.render.environment import Expr, Ident, render

HOSTILE = """x"; drop table t; -- $$ \\ ' ü"""
QUOTED = '''"x""; drop table t; -- $$ \\ ' ü"'''
LITERAL = """E'x"; drop table t; -- $$ \\\\ '' ü'"""

PLAIN = {
    "role": "r",
    "roles": ["a", "b"],
    "schema": "s",
    "owner": "o",
    "grantee": "g",
    "grantees": ["g", "h"],
    "database": "d",
    "table": Ident(("s", "t")),
    "relation": Ident(("s", "t")),
    "view": Ident(("s", "t")),
    "routine": Ident(("s", "f")),
    "home": "internal",
    "signature": Expr("s.f(integer)"),
    "privileges": Expr("select, insert"),
    "comment": "c",
    "name": "n",
    "source": "f.sql",
    "checksum": "0",
    "version": 1,
    "prefix": "p",
    "identity": "role",
    "claim": "k",
    "installer": "i",
    "separate_options": True,
}

GOLDEN = {
    "borrow_roles": "grant a, b to current_user;\n",
    "return_roles": "revoke a, b from current_user;\n",
    "create_role": "create role r nologin;\ncomment on role r is 'c';\n",
    "create_schema": "create schema s authorization o;\n",
    "comment_schema": "comment on schema s is 'c';\n",
    "grant_schema": "grant select, insert on schema s to g;\n",
    "grant_relation": "grant select, insert on s.t to g;\n",
    "grant_database": "grant create on database d to g;\n",
    "grant_admin": "grant a, b to g with admin true, inherit false, set false;\n",
    "revoke_routine": "revoke all on function s.f(integer) from g, h;\n",
    "grant_routine": "grant execute on function s.f to g;\n",
    "drop_routine": "drop function s.f(integer) restrict;\n",
    "drop_table": "drop table s.t restrict;\n",
    "drop_materialized_view": "drop materialized view s.t restrict;\n",
    "drop_schema": "drop schema s restrict;\n",
    "drop_role": "drop role r;\n",
    "record_migration": "insert into s.t (version, name, checksum)\nvalues (1, 'n', '0');\n",
    "record_routine": (
        "insert into s.t (home, name, source, source_sha256, deparsed)\nvalues ('internal', 'n', 'f.sql', '0', '')\n"
        "on conflict (home, name) do update\nset\n    source = excluded.source,\n"
        "    source_sha256 = excluded.source_sha256,\n    made_at = excluded.made_at;\n"
    ),
    "record_installation": (
        "insert into s.t as installation (prefix, version, identity, claim, installer)\nvalues ('p', '1', 'role', 'k', 'i')\n"
        "on conflict (prefix) do update\nset\n    version = excluded.version,\n    identity = excluded.identity,\n"
        "    claim = excluded.claim,\n    installer = excluded.installer,\n    upgraded_at = excluded.upgraded_at;\n"
    ),
}


def values(template: str) -> dict[str, object]:
    return PLAIN | ({"version": "1"} if template == "record_installation" else {})


def test_every_template_has_a_golden_case() -> None:
    names = {path.name.removesuffix(".sql.j2") for path in (resources.folder("templates") / "install").iterdir()}
    assert names == set(GOLDEN)


@pytest.mark.parametrize("template", list(GOLDEN))
def test_template_says(template) -> None:
    assert render(f"install/{template}", **values(template)) == GOLDEN[template]


def test_admin_option_before_16() -> None:
    assert (
        render("install/grant_admin", **PLAIN | {"separate_options": False}) == "grant a, b to g with admin option;\n"
    )


@pytest.mark.parametrize("template", list(GOLDEN))
def test_hostile_text_stays_a_name_or_a_constant(template) -> None:
    hostile: dict[str, object] = {
        key: HOSTILE if isinstance(value, str) else [HOSTILE] if isinstance(value, list) else value
        for key, value in values(template).items()
    }
    hostile |= {name: Ident((HOSTILE, "t")) for name in ("table", "relation", "view", "routine")}
    text = render(f"install/{template}", **hostile)
    # Whatever is not inside the quotes is what the template itself says.
    assert text.count(HOSTILE.replace('"', '""')) == text.count(QUOTED)
    rest = text.replace(QUOTED, "N").replace(LITERAL, "'t'")
    assert "drop table t" not in rest
    assert "--" not in rest


# Those that name something by plain text; the others are given finished names.
NAMING = [
    name for name in GOLDEN if not name.startswith(("record_", "drop_table", "drop_materialized_view", "drop_routine"))
]


@pytest.mark.parametrize("template", NAMING)
@pytest.mark.parametrize("bad", ["", "x" * 64, "a\0b"])
def test_what_cannot_be_a_name_is_refused(template, bad) -> None:
    broken = {
        key: bad if isinstance(value, str) else [bad] if isinstance(value, list) else value
        for key, value in PLAIN.items()
    }
    with pytest.raises(InternalError):
        render(f"install/{template}", **broken)
