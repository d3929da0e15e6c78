"""The ledger's text of the rules in force is the rules, whatever they say."""

from __future__ import annotations

import json

import pytest
import yaml

from pgerase.compare.model import Verdict
from pgerase.compare.rules import Rules, compare
from pgerase.rules.read_access import read_access
from pgerase.rules.record import RecordedRules, read_rules, rules_text, without_table
from tests.property.offline import catalog_of
from tests.property.trial import draw_file
from tests.property.world import VARIANTS

HOSTILE = VARIANTS["hostile"]


@pytest.mark.parametrize("number", range(6))
def test_what_is_read_back_is_what_was_written(number):
    spec = draw_file("record", number, HOSTILE, ("visitor", "app"))[2].spec
    rules = read_access(yaml.safe_dump(spec, allow_unicode=True, sort_keys=False))
    governed = tuple(sorted((HOSTILE.n("schema"), one.table.name) for one in rules.resources))
    text = rules_text(RecordedRules(rules, governed))
    again = read_rules(text)
    assert again is not None
    assert rules_text(again) == text
    assert again.governed == governed
    # Positions apart, every value is the same one: comparing finds one formula on both sides.
    tables = frozenset(
        HOSTILE.table(name) for name in draw_file("record", number, HOSTILE, ("visitor", "app"))[2].resources
    )
    found = compare(Rules(rules, tables), Rules(again.access, tables), catalog_of(HOSTILE), solver=False)
    assert {one.verdict for one in found} == {Verdict.SAME}


def test_another_versions_text_is_not_guessed_at():
    spec = draw_file("record", 0, HOSTILE, ("visitor", "app"))[2].spec
    rules = read_access(yaml.safe_dump(spec, allow_unicode=True, sort_keys=False))
    text = rules_text(RecordedRules(rules, (("app", "account"), ("app", "task"))))
    assert read_rules("") is None
    assert read_rules(json.dumps(json.loads(text) | {"format": 2})) is None
    assert read_rules(text.replace('"is":"Viewers"', '"is":"Watchers"')) is None
    assert read_rules(text.replace('"hierarchy":', '"pecking_order":')) is None
    left = read_rules(without_table(text, ("app", "task")))
    assert left is not None
    assert left.governed == (("app", "account"),)
    assert without_table("nonsense", ("app", "task")) == ""


def test_positions_comments_and_order_of_keys_are_no_difference():
    plain = "version: 1\nviewers: {table: p, key: id, identity: setting}\nresources: {a: {table: a, everyone: read}}\n"
    other = "# why\n\nversion: 1\nresources:\n  a: {everyone: read, table: a}\nviewers: {identity: setting, key: id, table: p}\n"
    texts = {rules_text(RecordedRules(read_access(one), ())) for one in (plain, other)}
    assert len(texts) == 1
