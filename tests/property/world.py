"""The schema that rule files are drawn for, in several variants: kinds of key, and names from plain to hostile.

Says what tables, columns and lookups there are, and makes them. Knows nothing of rules.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from psycopg import sql

from pgerase.catalog.model import Name
from pgerase.rules.names import Path, Step

PEOPLE = "person"
RID = "rid"
"""Every table's hidden surrogate, by which rows are told apart; no rule names it, nor MARK."""
MARK = "mark"

KINDS = {
    "int": "integer",
    "small": "smallint",
    "big": "bigint",
    "num": "numeric(8,2)",
    "dbl": "double precision",
    "text": "text",
    "ctext": 'text collate "C"',
    "vc": "varchar(40)",
    "ch": "char(16)",
    "dom": "%s.label",
    "cit": "%s.citext",
    "enum": "%s.state",
    "bool": "boolean",
    "date": "date",
    "tstz": "timestamptz",
    "ts": "timestamp",
    "texts": "text[]",
    "ints": "integer[]",
    "uuid": "uuid",
}
"""SQL types; %s is the schema. "key" is the variant's."""


@dataclass(frozen=True)
class Col:
    """A column; `domain` names what its values are drawn from: columns of one domain are worth comparing."""

    name: str
    kind: str
    domain: str
    required: bool = False


@dataclass(frozen=True)
class Look:
    """A lookup, by foreign key or, where not `declared`, by a reference that the rule file states."""

    columns: tuple[str, ...]
    target: str
    target_columns: tuple[str, ...]
    declared: bool = True


@dataclass(frozen=True)
class Tab:
    """A table under the name the generator knows it by."""

    name: str
    columns: tuple[Col, ...]
    key: tuple[str, ...]
    lookups: tuple[Look, ...] = ()
    partition: str = ""
    rows: int = 5

    def col(self, name: str) -> Col:
        return next(column for column in self.columns if column.name == name)


def _cols(text: str) -> tuple[Col, ...]:
    """`name:kind:domain`, an exclamation mark for what may not be null."""
    found = []
    for word in text.split():
        name, kind, domain = word.rstrip("!").split(":", 2)
        found.append(Col(name, kind, domain, word.endswith("!")))
    return tuple(found)


TABLES = {
    table.name: table
    for table in (
        Tab(
            "dept",
            _cols("id:key:key.dept! name:text:name region:text:region budget:num:num head:key:key.person"),
            ("id",),
            (Look(("head",), "person", ("id",)),),
            rows=2,
        ),
        Tab(
            "team",
            _cols(
                "id:key:key.team! name:vc:name region:text:region dept:key:key.dept lead:key:key.person tags:texts:region"
            ),
            ("id",),
            (Look(("dept",), "dept", ("id",)), Look(("lead",), "person", ("id",))),
            rows=3,
        ),
        Tab(
            "person",
            _cols(
                "id:key:key.person! manager:key:key.person team:key:key.team status:enum:status admin:bool:admin"
                " region:text:region title:vc:title level:int:num score:num:num tags:texts:region nums:ints:num"
                " email:cit:cit code:ch:region joined:date:time seen:tstz:time home:key:key.territory vip:bool:bool"
            ),
            ("id",),
            (
                Look(("manager",), "person", ("id",)),
                Look(("team",), "team", ("id",)),
                Look(("home",), "territory", ("id",), declared=False),
            ),
            rows=7,
        ),
        Tab(
            "territory",
            _cols("id:key:key.territory! parent:key:key.territory name:text:name region:dom:region"),
            ("id",),
            (Look(("parent",), "territory", ("id",)),),
            rows=6,
        ),
        Tab(
            "account",
            _cols(
                "id:key:key.account! owner:key:key.person team:key:key.team territory:key:key.territory region:text:region"
                " state:enum:status size:int:num value:num:num ratio:dbl:num tags:texts:region nums:ints:num created:date:time"
                " touched:tstz:time local:ts:time note:ctext:region alias:cit:cit pub:bool:bool small:small:num"
            ),
            ("id",),
            (
                Look(("owner",), "person", ("id",)),
                Look(("team",), "team", ("id",)),
                Look(("territory",), "territory", ("id",), declared=False),
            ),
            rows=6,
        ),
        Tab(
            "deal",
            _cols(
                "a:key:key.deal! b:int:dealno! account:key:key.account owner:key:key.person label:dom:name amount:num:num"
                " closes:date:time"
            ),
            ("a", "b"),
            (Look(("account",), "account", ("id",)), Look(("owner",), "person", ("id",))),
            rows=4,
        ),
        Tab(
            "task",
            _cols(
                "id:key:key.task! account:key:key.account other:key:key.account deal_a:key:key.deal deal_b:int:dealno"
                " assignee:key:key.person state:enum:status due:date:time n:big:num region:ch:region tags:texts:region"
            ),
            ("id",),
            (
                Look(("account",), "account", ("id",)),
                Look(("other",), "account", ("id",), declared=False),
                Look(("deal_a", "deal_b"), "deal", ("a", "b")),
                Look(("assignee",), "person", ("id",)),
            ),
            rows=6,
        ),
        Tab(
            "step",
            _cols(
                "id:key:key.step! task:key:key.task author:key:key.person body:text:region done:bool:bool n:int:num at:tstz:time"
            ),
            ("id",),
            (Look(("task",), "task", ("id",)), Look(("author",), "person", ("id",))),
            rows=6,
        ),
        Tab(
            "log",
            _cols(
                "account:key:key.account person:key:key.person msg:text:region at:tstz:time n:int:num flag:bool:bool"
            ),
            (),
            (
                Look(("account",), "account", ("id",), declared=False),
                Look(("person",), "person", ("id",), declared=False),
            ),
            rows=5,
        ),
        Tab(
            "event",
            _cols(
                "id:key:key.event! part:int:part! account:key:key.account kind:text:region person:key:key.person at:date:time"
            ),
            ("id", "part"),
            (
                Look(("account",), "account", ("id",)),
                Look(("person",), "person", ("id",), declared=False),
            ),
            partition="part",
            rows=5,
        ),
        Tab(
            "member",
            _cols(
                "person:key:key.person account:key:key.account role:text:title weight:int:num since:date:time region:text:region"
            ),
            (),
            (Look(("person",), "person", ("id",)), Look(("account",), "account", ("id",))),
            rows=9,
        ),
        Tab(
            "tmember",
            _cols("person:key:key.person territory:key:key.territory role:text:title ok:bool:bool"),
            (),
            (Look(("person",), "person", ("id",)), Look(("territory",), "territory", ("id",))),
            rows=6,
        ),
        Tab(
            "glist",
            _cols("gname:text:title person:key:key.person ok:bool:bool"),
            (),
            (Look(("person",), "person", ("id",)),),
            rows=6,
        ),
    )
}
MEMBERSHIPS = ("member", "tmember", "glist")

_HOSTILE = {
    "schema": 'Sché.ma "x"',
    "account": 'Konto. "A", (v2)',
    "person": "Ünïcode Person",
    "task": "x" * 63,
    "member": "select",
    "log": "l'og\\",
    # Names the generated SQL likes for its own: nothing may be caught by them.
    "event": "e",
    "kind": "v",
    "step": "h",
    "glist": "k",
    "gname": "c1",
    "tmember": "m",
    "dept": "below",
    "deal": "p",
    "territory": "found",
    "parent": "value",
    "region": "r.egion",
    "state": "State",
    "owner": "owner, id",
    "team": "group",
    "size": "not",
    "name": "é" * 31,
    "tags": 'a"b',
    "note": "no$$te -- /*",
    "title": "100%s {}",
    "id": "ID",
    "manager": "y" * 63,
    "n": "role",
    "status": "all",
    "deal_a": "deal [a]",
    "level": "two\nlines",
    "at": "?column?",
    "body": "row",
    "email": "viewer",
    "closes": "new",
    "value": "key",
    "due": "user",
}


@dataclass(frozen=True)
class Variant:
    """One way to build the schema: `keys` is bigint, uuid or text."""

    name: str
    keys: str
    hostile: bool = False

    def n(self, name: str) -> str:
        """The name in the database of a schema, table or column."""
        return _HOSTILE.get(name, name) if self.hostile else {"schema": "app"}.get(name, name)

    def table(self, name: str) -> Name:
        """The table's qualified name in the database."""
        return Name(self.n("schema"), self.n(name))

    def path(self, steps: tuple[tuple[str, ...], ...]) -> str:
        """A path as a rule file spells it."""
        text = str(Path(tuple(Step(tuple(self.n(column) for column in columns)) for columns in steps)))
        return f'"{text}"' if text in RESERVED else text

    def key(self, table: str, number: int) -> object:
        """The `number`th key of a table: 0 upwards exist, 90 upwards dangle, 100 upwards are for new rows."""
        place = list(TABLES).index(table)
        if self.keys == "bigint":
            return place * 1000 + number
        if self.keys == "uuid":
            return UUID(int=(place << 96) + number * 7919)
        return f"{_FLAVOURS[number % len(_FLAVOURS)]}{table[:2]}{number}"


RESERVED = frozenset(
    {"group", "role", "all", "any", "not", "use", "terms", "logic", "consent", "restriction", "support"}
)
_FLAVOURS = ("", "k'", "a@b@", "é ☃", "\\", "$$", "--", '"')

VARIANTS = {
    variant.name: variant
    for variant in (
        Variant("bigint", "bigint"),
        Variant("uuid", "uuid"),
        Variant("text", "text"),
        Variant("hostile", "bigint", hostile=True),
    )
}


def type_of(variant: Variant, kind: str) -> str:
    """The SQL type of a column."""
    if kind == "key":
        return variant.keys
    return KINDS[kind].replace("%s", sql.Identifier(variant.n("schema")).as_string(None))


def _id(*parts: str) -> str:
    return sql.Identifier(*parts).as_string(None)


def schema_script(variant: Variant) -> str:
    """The application's tables, to be run by their owner."""
    schema = variant.n("schema")
    made = [
        f"create schema {_id(schema)}",
        f"create extension citext with schema {_id(schema)}",
        f"create type {_id(schema)}.state as enum ('ACTIVE', 'INACTIVE', 'ERASED', 'it''s')",
        f"create domain {_id(schema)}.label as varchar(60)",
    ]
    for table in TABLES.values():
        name = _id(schema, variant.n(table.name))
        columns = [
            f"{_id(variant.n(column.name))} {type_of(variant, column.kind)}{' not null' if column.required else ''}"
            for column in table.columns
        ]
        columns += [f"{RID} bigint not null", f"{MARK} integer"]
        if table.key:
            columns.append(f"primary key ({', '.join(_id(variant.n(column)) for column in table.key)})")
        by = f" partition by list ({_id(variant.n(table.partition))})" if table.partition else ""
        made.append(f"create table {name} ({', '.join(columns)}){by}")
        if table.partition:
            made += [
                f"create table {_id(schema, f'{table.name}_{part}')} partition of {name} for values in ({values})"
                for part, values in (("p1", "1"), ("p2", "2, 3"))
            ]
        made += [
            f"create index on {name} ({', '.join(_id(variant.n(column)) for column in look.columns)})"
            for look in table.lookups
        ]
    for table in TABLES.values():
        for look in table.lookups:
            if look.declared:
                made.append(
                    f"alter table {_id(schema, variant.n(table.name))} add foreign key"
                    f" ({', '.join(_id(variant.n(column)) for column in look.columns)}) references"
                    f" {_id(schema, variant.n(look.target))}"
                    f" ({', '.join(_id(variant.n(column)) for column in look.target_columns)})"
                )
    return ";\n".join(made)


def leaves(variant: Variant) -> Iterator[str]:
    """The partitions, as SQL wants them."""
    for table in TABLES.values():
        if table.partition:
            yield from (_id(variant.n("schema"), f"{table.name}_{part}") for part in ("p1", "p2"))


def probe_script(variant: Variant, viewers: str) -> str:
    """A schema with one routine a table that tries everything on it and says what came of it; to be run by a superuser.

    Dangling lookups are wanted, so the triggers behind foreign keys are off. What the routine changes it takes back.
    """
    made = ["create schema probe", f"grant usage on schema probe to {_id(viewers)}"]
    for table in TABLES.values():
        made += _probe(variant, table)
    schema = _id(variant.n("schema"))
    made += [
        f"grant usage on schema {schema} to {_id(viewers)}",
        f"grant select, insert, update, delete on all tables in schema {schema} to {_id(viewers)}",
        f"grant select on all tables in schema probe to {_id(viewers)}",
    ]
    return ";\n".join(made)


def _probe(variant: Variant, table: Tab) -> Iterator[str]:
    name = _id(variant.n("schema"), variant.n(table.name))
    short = table.name
    columns = ", ".join(_id(variant.n(column.name)) for column in table.columns)
    # Qualified, for PL/pgSQL has a variable called found, as one of the tables' columns may be.
    changed = ", ".join(f"c.{_id(variant.n(column.name))}" for column in table.columns)
    yield f"alter table {name} disable trigger all"
    yield f"create table probe.new_{short} (like {name})"
    yield f"create table probe.changed_{short} (like {name})"
    for what, condition in (("all", "true"), ("marked", f"{MARK} = 1")):
        yield (
            f"create function probe.{what}_{short}() returns bigint[] language sql volatile security definer set row_security = off"
            f" begin atomic select coalesce(array_agg({RID} order by {RID}), '{{}}') from {name} where {condition}; end"
        )
    yield f"""
create function probe.try_{short}() returns jsonb language plpgsql as $probe$
#variable_conflict error
declare
    v_read bigint[];
    v_share bigint[];
    v_update bigint[];
    v_left bigint[];
    v_insert bigint[] := '{{}}';
    v_change jsonb := '{{}}';
    v_single jsonb := null;
    v_rid bigint;
    v_count bigint;
begin
    select coalesce(array_agg(r.{RID} order by r.{RID}), '{{}}') into v_read from {name} r;
    select coalesce(array_agg(s.{RID} order by s.{RID}), '{{}}') into v_share
    from (select r.{RID} from {name} r for key share) s;
    begin
        update {name} set {MARK} = 1;
        v_update := probe.marked_{short}();
        raise sqlstate 'ZZ001';
    exception
        when sqlstate 'ZZ001' then null;
        when insufficient_privilege then
            if sqlerrm not like '%row-level security%' then raise; end if;
            v_single := '{{}}';
    end;
    if v_single is not null then
        foreach v_rid in array probe.all_{short}() loop
            begin
                update {name} r set {MARK} = 1 where r.{RID} = v_rid;
                get diagnostics v_count = row_count;
                v_single := v_single || jsonb_build_object(v_rid, v_count);
                raise sqlstate 'ZZ001';
            exception
                when sqlstate 'ZZ001' then null;
                when insufficient_privilege then
                    if sqlerrm not like '%row-level security%' then raise; end if;
                    v_single := v_single || jsonb_build_object(v_rid, -1);
            end;
        end loop;
    end if;
    begin
        delete from {name};
        v_left := probe.all_{short}();
        raise sqlstate 'ZZ001';
    exception
        when sqlstate 'ZZ001' then null;
    end;
    for v_rid in select c.{RID} from probe.new_{short} c order by 1 loop
        begin
            insert into {name} select c.* from probe.new_{short} c where c.{RID} = v_rid;
            v_insert := v_insert || v_rid;
            raise sqlstate 'ZZ001';
        exception
            when sqlstate 'ZZ001' then null;
            when insufficient_privilege then
                if sqlerrm not like '%row-level security%' then raise; end if;
        end;
    end loop;
    for v_rid in select c.{RID} from probe.changed_{short} c order by 1 loop
        begin
            update {name} r set ({columns}) = (select {changed} from probe.changed_{short} c where c.{RID} = v_rid)
            where r.{RID} = v_rid;
            get diagnostics v_count = row_count;
            v_change := v_change || jsonb_build_object(v_rid, v_count);
            raise sqlstate 'ZZ001';
        exception
            when sqlstate 'ZZ001' then null;
            when insufficient_privilege then
                if sqlerrm not like '%row-level security%' then raise; end if;
                v_change := v_change || jsonb_build_object(v_rid, -1);
        end;
    end loop;
    return jsonb_build_object(
        'read', v_read, 'share', v_share, 'update', v_update, 'single', v_single, 'left', v_left,
        'insert', v_insert, 'change', v_change
    );
end
$probe$"""
