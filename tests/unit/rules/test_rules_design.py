"""The examples of the design are read, valid by the published schema, and say what the design says they do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import jsonschema
import pytest

from pgerase.rules import data_map as maps
from pgerase.rules.conditions import Action, Test, ViewerRef
from pgerase.rules.names import BackStep, Step, TableName
from pgerase.rules.names import Path as RulePath
from pgerase.rules.read import read_pack
from pgerase.rules.read_access import read_access
from pgerase.rules.read_pack import read_pack_settings
from pgerase.rules.reading import Reading
from pgerase.rules.schema import FOLDER, names, schema, schema_text
from pgerase.rules.yaml_nodes import InvalidNode, MappingNode, Node, ScalarNode, SequenceNode, compose
from tests.unit.rules.support import VIEWERS

DESIGN = Path(__file__).parent / "design"


def plain(node: Node) -> Any:
    """A node as JSON, for the schema."""
    match node:
        case MappingNode(entries):
            return {entry.key.text: plain(entry.value) for entry in entries}
        case SequenceNode(items):
            return [plain(item) for item in items]
        case ScalarNode(value):
            return value
        case InvalidNode():
            raise AssertionError(node)


def composed(text: str) -> Any:
    root = compose(text, "a.yaml", Reading())
    assert root is not None
    return plain(root)


def validator(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(cast("dict[str, Any]", json.loads(schema_text(name))))


def test_design_examples_are_a_pack() -> None:
    pack = read_pack(DESIGN)
    assert (pack.name, pack.settings.prefix) == ("customer_success", "csp")
    assert pack.settings.app == ("web", "reporting")
    assert [name for name, _ in pack.files] == ["access.yaml", "audit.yaml", "data_map.yaml", "pack.yaml"]


def test_design_access_example_is_read_as_meant() -> None:
    rules = read_pack(DESIGN).access
    assert rules is not None
    assert [resource.name for resource in rules.resources] == ["company", "relationship", "cta", "note"]
    company = rules.resource("company")
    assert company.passes_on
    assert [requirement.can for requirement in company.require] == [
        frozenset(Action),
        {Action.UPDATE, Action.DELETE},
        frozenset(Action),
    ]
    mine = company.rules[2].rows
    assert isinstance(mine, Test)
    assert isinstance(mine.operand, ViewerRef)
    assert mine.operand.attribute == "accounts"
    assert [column.column for column in rules.resource("cta").columns] == ["notes", "score", "*"]
    assert rules.resource("note").rules[2].becomes is not None


def test_design_data_map_example_is_read_as_meant() -> None:
    data_map = read_pack(DESIGN).data_map
    assert data_map is not None
    employee = data_map.subject("employee")
    phones = next(item for item in employee.identifiers if item.name == "phones").source
    back = RulePath((BackStep(TableName("phone", "cs"), ("user_id",)), Step(("number",))))
    assert phones == maps.IdentifierPaths((back,))
    tables = {str(table.table): table for table in data_map.tables}
    rule, rest = cast("tuple[maps.RowRule, ...]", tables["cs.call_to_action"].links[0].rows)
    assert isinstance(rule.do, maps.Reassign)
    assert [type(candidate).__name__ for candidate in rule.do.candidates] == [
        "CandidateNamed",
        "CandidatePool",
        "CandidateNamed",
    ]
    assert rest.when is None
    assert isinstance(tables["cs.membership"].of, maps.OfLinks)
    assert tables["cs.address"].owners is maps.Owners.LAST
    extra, origin = tables["cs.event"].links
    assert extra.inside is not None
    assert (extra.inside.steps, extra.scan) == ((maps.Member("UserId"),), True)
    assert isinstance(origin.by, maps.ByTemplates)
    payload = tables["cs.timeline_activity"].columns[2]
    assert isinstance(payload, maps.PersonalColumn)
    assert [type(treatment) for treatment in payload.erase] == [maps.RemovePaths, maps.Redact]
    assert [profile.name for profile in data_map.profiles] == ["us"]


@pytest.mark.parametrize("name", names())
def test_schema_accepts_the_design_example(name: str) -> None:
    validator(name).validate(composed((DESIGN / f"{name}.yaml").read_text(encoding="utf-8")))


@pytest.mark.parametrize("name", names())
def test_schema_is_valid_and_current(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(name))
    checked_in = (FOLDER / f"{name}.schema.json").read_text(encoding="utf-8")
    assert checked_in == schema_text(name), "run python -m pgerase.rules.schema"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("pack", "nam: x"),
        ("pack", "tables: {a: {mode: yes}}"),
        ("access", "groups: {}"),
        ("access", "version: 2"),
        ("access", "version: 1\nresources: {r: {table: t}}"),
        ("access", "version: 1\nresources: {r: {table: t, everyone: none, rules: [{name: a}]}}"),
        (
            "access",
            "version: 1\nresources: {r: {table: t, everyone: none, rules: [{name: a, rows: {a: {eqq: 1}}, can: [read]}]}}",
        ),
        (
            "access",
            "version: 1\nresources: {r: {table: t, everyone: none, rules: [{name: a, rows: {a: {between: [1]}}, can: [read]}]}}",
        ),
        ("access", "version: 1\nresources: {r: {table: t, everyone: none, rules: [{name: a, rows: {}, can: [read]}]}}"),
        ("data_map", "version: 1"),
        ("audit", "log: {}"),
        ("audit", "version: 1\nlogs: {}"),
        ("audit", "version: 1\nlog: {partition: year}"),
        ("audit", "version: 1\nlog: {ahead: 0}"),
        ("audit", "version: 1\nlog: {ahead: 367}"),
        ("audit", "version: 1\nlog: {keep: {profiles: {us: 1 year}}}"),
        ("audit", "version: 1\ncapture: {}"),
        ("audit", "version: 1\ncapture: {t: all}"),
        ("audit", "version: 1\ncapture: {t: {except: a}}"),
        ("audit", "version: 1\ncapture: {t: {personal: {a: {p: b, q: b}}}}"),
        ("audit", "version: 1\nsupport: {longest: 1 hour}"),
        ("audit", "version: 1\nsupport: {who: nobody}"),
        ("audit", "version: 1\nsupport: {who: everyone, announce: {notify: 7}}"),
        ("audit", "version: 1\nsupport: {who: everyone, announce: {webhook_env: 'https://a.example/x'}}"),
        ("audit", "version: 1\nseal: {every: 1 hour}"),
        ("data_map", "version: 1\nsubjects: {p: {key: a}}\ntables: {t: {links: {a: p}, rows: remove}}"),
        (
            "data_map",
            "version: 1\nsubjects: {p: {key: a}}\ntables: {t: {links: {a: p}, rows: keep, columns: {c: {erase: clear}}}}",
        ),
    ],
)
def test_schema_refuses_what_the_reader_refuses(name: str, text: str) -> None:
    assert list(validator(name).iter_errors(composed(text)))


def test_every_key_has_its_sentence() -> None:
    def check(part: Any, path: str) -> None:
        if isinstance(part, dict):
            found = cast("dict[str, Any]", part)
            for key, value in found.items():
                check(value, f"{path}/{key}")
            if isinstance(description := found.get("description"), str):
                assert description.strip(), path
        if isinstance(part, list):
            for item in cast("list[Any]", part):
                check(item, path)

    for name in names():
        check(schema(name), name)
        for key, value in schema(name)["properties"].items():
            assert value["description"].endswith("."), key


@pytest.mark.parametrize(
    ("entry", "good"),
    [
        ({"function": "f", "because": "c"}, True),
        ({"function": "f", "hash": "0123456789ab", "because": "c"}, True),
        ({"view": "f", "because": "c"}, True),
        ({"view": "f", "hash": "0123456789ab", "because": "c"}, False),
        ({"hash": "0123456789ab", "because": "c"}, False),
        ({"function": "f", "view": "v", "because": "c"}, False),
        ({"function": "f", "hash": "0123", "because": "c"}, False),
        ({"function": "f", "hash": "0123456789ab"}, False),
    ],
)
def test_schema_knows_what_has_a_hash(entry: dict[str, str], good: bool) -> None:
    assert validator("pack").is_valid({"acknowledge": [entry]}) is good


def test_a_hash_is_read_with_its_function() -> None:
    text = 'acknowledge: [{function: "s.f()", hash: "0123456789ab", because: seen}, {function: g, because: seen}]'
    assert [(one.name, one.hash) for one in read_pack_settings(text).acknowledged] == [
        ("s.f()", "0123456789ab"),
        ("g", ""),
    ]


def test_the_example_of_aggregates_is_read_and_fits_the_schema() -> None:
    page = (Path(__file__).resolve().parents[3] / "docs" / "aggregates.md").read_text(encoding="utf-8")
    example = page.split("```yaml\n")[1].split("```")[0]
    text = (
        f"{VIEWERS}groups: {{analysts: {{members: [1]}}}}\nresources: {{cta: {{table: t, everyone: none}}}}\n{example}"
    )
    validator("access").validate(composed(text))
    (aggregate,) = read_access(text).aggregates
    assert [key.name for key in aggregate.by] == ["status", "region"]
    assert [(value.name, value.measure.value, value.round_to) for value in aggregate.values] == [
        ("tasks", "count", None),
        ("people", "distinct", None),
        ("hours", "sum", 100),
        ("average", "avg", None),
    ]
    assert (str(aggregate.each), aggregate.at_least) == ("owner_id", 6)
