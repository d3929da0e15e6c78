"""Mutants of the SQL that the ward's pack generates: verify finds each of them, by what the database does or by how it looks.

Where a mutant changes a decision, plan and ledger are left out of the look: a compiler that is wrong would have written them as well.
"""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from pgerase.compile.desired import DesiredFunction, DesiredPolicy, DesiredView
from tests.judges.apart import judging
from tests.judges.conftest import Ward
from tests.judges.mutants import Wrong, copied, generated, of_conditions, of_policies, of_query, survivors, waves

EACH = 12
"""So many changes are considered of each condition: the longest has two hundred."""

EQUIVALENT = {
    # UPDATE of these two is for super admins alone, by its USING: whoever passes that passes a CHECK that lets at least super admins
    # through. On every other table somebody else passes USING as well, and the new row matters.
    **{
        f"permissive UPDATE policy P_update on ward.{table} {change}": "who passes USING is a super admin, who may write any row"
        for table in ("member", "poster")
        for change in (
            ": check true:",
            "check: where dropped: p.is_admin = TRUE",
            "check: oneself widened to reach: SELECT FROM P_lookup.me() AS p WHERE p.is_admin = TRUE",
        )
    },
}
"""Mutants whose condition means something else, and that no statement tells apart, by how they begin; P is the prefix."""

KNOWN = {
    "restrictive UPDATE policy P_require_house of patient_update on ward.chart : check true:": (
        "which rows of another house a statement without a condition makes is drawn: four writes each miss it, twelve find it"
    ),
    "permissive UPDATE policy P_update on ward.patient check: disjunct dropped: EXISTS (SELECT FROM P_lookup.reach() AS p WHERE EXISTS"
    " (SELECT FROM P_lookup.group_night": (
        "it decides only for who is in the group, leads a patient and gives him another key; no draw tried that"
    ),
}
"""Gaps: mutants that a statement would tell apart and that verify may miss, by how they begin, and why."""


def among(named: dict[str, str], ward: Ward, mutant: Wrong) -> bool:
    return str(mutant).replace(ward.prefix, "P").startswith(tuple(named))


def of_all_policies(ward: Ward, seed: int) -> list[Wrong]:
    """Mutants of the policies that bind people, some of each condition, in an order that is always the same."""
    draw = random.Random(seed)

    def some(count: int) -> list[int]:
        return draw.sample(range(count), min(count, EACH))

    found: list[Wrong] = []
    for one in generated(ward):
        if isinstance(one, DesiredPolicy) and one.roles == (f"{ward.prefix}_viewer",):
            found += (*of_policies(one), *of_conditions(one, some))
    draw.shuffle(found)
    return found


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


def drawn(ward: Ward, seed: int, *, writes: int, reads: int) -> list[list[Wrong]]:
    """Waves of mutants that a statement can tell apart, those of what is read for themselves: they are looked at faster.

    A condition that only repeats what another part of it implies (that who may change a row may read it, in most UPDATE and DELETE
    policies; that somebody is there, beside a comparison with what is his) is the same without it: no judge but the rows says which are.
    """
    mutants = [one for one in of_every_kind(of_all_policies(ward, seed)) if not among(EQUIVALENT, ward, one)]
    with judging(ward) as judge:

        def worth(one: Wrong) -> bool:
            table = one.table.removeprefix("ward.")
            return not one.conditions or any(judge.tells_apart(table, *pair) for pair in one.conditions)

        return [
            *waves((one for one in mutants if one.command != "SELECT"), writes, worth),
            *waves((one for one in mutants if one.command == "SELECT"), reads, worth),
        ]


def alive(ward: Ward, chosen: list[list[Wrong]]) -> str:
    """Those that verify does not see, but for known gaps."""
    left = [one for wave in chosen for one in survivors(ward, wave)]
    return "\n".join(str(one).replace(ward.prefix, "P") for one in left if not among(KNOWN, ward, one))


def killed(ward: Ward, chosen: list[list[Wrong]]) -> int:
    """How many different ones verify sees, where no others are alive than known gaps."""
    return len({str(one) for wave in chosen for one in wave if not among(KNOWN, ward, one)})


def test_what_people_then_can_do_gives_mutants_of_policies_away(ward: Ward):
    chosen = drawn(ward, 4, writes=2, reads=1)
    assert len({one.operator for wave in chosen for one in wave}) >= 12
    assert not (found := alive(ward, chosen)), found
    assert killed(ward, chosen) >= 45


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2, 3, 5, 6, 7])
def test_and_many_more(seed: int, ward: Ward):
    chosen = drawn(ward, seed, writes=2, reads=1)
    assert not (found := alive(ward, chosen)), found
    assert killed(ward, chosen) >= 40


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
    "grant select on {P}_lookup.group_night to {web}": "view {P}_lookup.group_night",
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
