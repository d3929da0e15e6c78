"""Mutants of the SQL that the ward's pack generates: verify finds each of them, by what the database does or by how it looks.

Where a mutant changes a decision, plan and ledger are left out of the look: a compiler that is wrong would have written them as well.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest

from pgerase.compile.desired import DesiredFunction, DesiredPolicy, DesiredView
from tests.judges.conftest import Ward
from tests.judges.mutants import Wrong, copied, generated, of_conditions, of_policies, of_query, survivors, waves

EQUIVALENT = {
    r"conjunct dropped: .*>= CASE WHEN current_setting\('P.wide', TRUE\) = 'yes' THEN \S+ ?.* END$": (
        "the hint spares work: the range beside it is empty for whoever is no super admin"
    ),
    r"(comparison negated|another text|another truth): .*(P\.wide|'yes'|TRUE$)": (
        "another hint, which decides nothing; without missing_ok a session that never had one fails instead of seeing nothing"
    ),
    r"UPDATE policy .*: (check dropped|using and check swapped):": "what this table's rules ask of the old row they ask of the new one",
    r"UPDATE policy .*: check true: exists \(select from P_lookup\.me p where p\.is_admin = true\)": (
        "the new row does not matter: a super admin, who alone passes USING, may write any"
    ),
    r"oneself widened to reach: SELECT FROM P_lookup\.me AS p$": "whoever is an active person reaches himself, and nobody else anybody",
}
"""Mutants that mean the same, with the reason; P is the prefix."""


def equivalent(ward: Ward, mutant: Wrong) -> bool:
    text = str(mutant).replace(ward.prefix, "P")
    return any(re.search(pattern, text) for pattern in EQUIVALENT)


def of_all_policies(ward: Ward, seed: int) -> list[Wrong]:
    """Mutants of the policies that bind people, in an order that is always the same.

    Conditions for changing and deleting hold those for reading besides, so that half of what is changed in them is made good by the
    other half: theirs are left out, but for requirements.
    """
    found: list[Wrong] = []
    for one in generated(ward):
        if isinstance(one, DesiredPolicy) and one.roles == (f"{ward.prefix}_viewer",):
            found += of_policies(one)
            if one.command in {"SELECT", "INSERT"} or not one.permissive:
                found += of_conditions(one)
    random.Random(seed).shuffle(found)
    return [one for one in found if not equivalent(ward, one)]


def of_every_kind(mutants: list[Wrong]) -> Iterator[Wrong]:
    """One of each operator and command, then the next one of each."""
    while mutants:
        seen: set[tuple[str, str]] = set()
        left: list[Wrong] = []
        for one in mutants:
            if (one.operator, one.command) in seen:
                left.append(one)
            else:
                seen.add((one.operator, one.command))
                yield one
        mutants = left


def alive(ward: Ward, chosen: list[list[Wrong]]) -> str:
    return "\n".join(str(one).replace(ward.prefix, "P") for wave in chosen for one in survivors(ward, wave))


def test_what_people_then_can_do_gives_mutants_of_policies_away(ward: Ward):
    chosen = waves(of_every_kind(of_all_policies(ward, 4)), 2)
    assert sum(map(len, chosen)) >= 25
    assert len({one.operator for wave in chosen for one in wave}) >= 12
    found = alive(ward, chosen)
    assert not found, found


@pytest.mark.long
@pytest.mark.parametrize("seed", range(1, 9))
def test_and_many_more(seed: int, ward: Ward):
    found = alive(ward, waves(of_every_kind(of_all_policies(ward, seed)), 4))
    assert not found, found


# What policies and guards ask, by the change in it, a part of what is changed, and where and in what it shows.
ASKED = [
    ("me", "conjunct dropped", "status", "ward.poster", "SELECT"),
    ("has_authority", "another text", "'Head'", "ward.person", "guard"),
    ("column_right_ward_person", "comparison negated", "r.id", "ward.person", "columns"),
    ("column_right_ward_chart", "or for and", "EXISTS", "ward.chart", "columns"),
    ("chart", "comparison negated", "author_id", "{P}.chart", "masks"),
    ("group_night", "where dropped", "", "ward.patient", "SELECT"),
    ("may_read_patient", "where dropped", "", "ward.visit", "SELECT"),
]


def of_what_is_asked(ward: Ward) -> Iterator[Wrong]:
    for name, operator, was, table, what in ASKED:
        one = next(
            one for one in generated(ward) if isinstance(one, DesiredView | DesiredFunction) and one.name.name == name
        )
        found = [
            each for each in of_query(one, ward.fill(table), what) if each.operator == operator and was in each.was
        ]
        assert found, (name, operator, [f"{each.operator}: {each.was}" for each in of_query(one, table, what)])
        yield found[0]


def test_what_people_then_can_do_gives_mutants_of_views_and_functions_away(ward: Ward):
    views, functions = [], []
    for one in of_what_is_asked(ward):
        (views if one.command == "SELECT" else functions).append(one)
    found = alive(ward, [functions, *([one] for one in views)])
    assert not found, found


# The looks of what was applied, and what the finding is about.
LOOKS = {
    'alter policy "{P}_read" on ward.poster to public': "policy {P}_read on ward.poster",
    'alter policy "{P}_require_house_read" on ward.patient rename to strict': "policy {P}_require_house_read on ward.patient",
    "alter table ward.member no force row level security": "ward.member",
    "alter table ward.visit_2026 disable row level security": "ward.visit_2026",
    "alter view {P}_lookup.me set (security_invoker = true)": "view {P}_lookup.me",
    "alter view {P}.chart set (security_barrier = true)": "view {P}.chart",
    "alter view {P}_lookup.person owner to {owner}": "view {P}_lookup.person",
    "grant select on {P}_lookup.reach to {web}": "view {P}_lookup.reach",
    "grant usage on schema {P}_lookup to {web}": "schema {P}_lookup",
    "alter function {P}_lookup.reach() volatile": "function {P}_lookup.reach()",
    "alter function {P}_lookup.may_read_patient_by_id() reset search_path": "function {P}_lookup.may_read_patient_by_id()",
    "alter function {P}_lookup.may_update_patient_by_id() security invoker": "function {P}_lookup.may_update_patient_by_id()",
    "alter function {P}.guard_ward_member() security definer": "function {P}.guard_ward_member()",
    "alter function {P}.has_authority(text) parallel unsafe": "function {P}.has_authority(text)",
    "alter function {P}.current_viewer() reset search_path": "function {P}.current_viewer",
    "grant execute on function {P}.guard_ward_person() to public": "function {P}.guard_ward_person()",
    'alter table ward.assignment disable trigger "{P}_guard"': "ward.assignment",
    'alter table ward.person enable replica trigger "{P}_columns"': "ward.person",
    'drop trigger "{P}_hidden_diagnosis" on ward.chart': "ward.chart",
    "grant select on ward.chart to {web}": "reads {web} of ward.chart",
    "grant update (doctor_id) on ward.patient to {P}_masker": "grant update (doctor_id) on table ward.patient to {P}_masker",
}


def test_their_looks_give_away_mutants_that_may_do_no_harm_yet(ward: Ward):
    with copied(ward) as twin:
        for script in LOOKS:
            twin.admin(script)
        report = twin.verify(behaviour=False)
    found = {finding.subject for finding in report.failures}
    missed = {script: subject for script, about in LOOKS.items() if (subject := ward.fill(about)) not in found}
    assert missed == {}, sorted((finding.code, finding.subject) for finding in report.failures)


def test_nothing_of_it_is_left(ward: Ward):
    assert ward.verify(behaviour=False).ok
