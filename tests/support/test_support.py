"""Staff look at one person's data by a grant: what it opens, for whom, until when, and what ends it (S1, S3, S5)."""

from __future__ import annotations

import psycopg
import pytest

from tests.support.conftest import (
    ABE,
    ADMIN,
    ANN,
    BEN,
    BO,
    CARA,
    DAN,
    DEVELOPER,
    EVE,
    FOUNDER,
    LARS,
    LEA,
    LIV,
    LOU,
    NORA,
    SALES,
    SEEN,
    Desk,
)

NOT_YOURS, NO_CONSENT, NO_TERMS, NOBODY, UNREVIEWED, NOT_THERE, NO_TICKET = (
    f"ZE30{number}" for number in (2, 3, 4, 5, 6, 7, 8)
)
OPEN = "select P.open_support('person', %s, 'asked for help', 'T-1', now() + '1 hour')"
BREAK = "select P.open_break_glass('person', %s, 'fraud', null, now() + '1 hour')"


def alone(number: int) -> list[list[object]]:
    """What staff sees without a grant: themselves."""
    return [[number], [], [], [], [], []]


def with_cara(number: int) -> list[list[object]]:
    """What staff sees with a grant for Cara: her row, tasks, messages, the parcel that the requirement leaves; no diary, no steps."""
    return [sorted([number, CARA]), [1001, 1002], [CARA], [], ["100/1"], []]


@pytest.fixture(autouse=True)
def everything_closed(desk: Desk):
    """Grants of other tests are over."""
    yield
    desk.admin(
        "update {P}_internal.support_grant set closed_at = coalesce(closed_at, now()), reviewed_by = 'x', reviewed_at = now(),"
        " verdict = 'justified'; update help.person set kind = 'agent' where id in (10, 11);"
        " update help.person set allow_support = id in (100, 102)"
    )


class TestOpening:
    def test_a_grant_opens_the_persons_row_and_the_links_named_and_nothing_else(self, desk):
        """S5: one person's data; the diary is linked, too, but not named, and steps inherit from tasks, which gives nothing."""
        assert desk.seen(ANN) == alone(ANN)
        desk.open(ANN, CARA)
        assert desk.seen(ANN) == with_cara(ANN)
        assert desk.seen(ABE) == alone(ABE)
        assert desk.seen(CARA) == [[CARA], [1001, 1002], [CARA], [CARA], ["100/1"], [1001, 1002]]

    @pytest.mark.parametrize("person", [DEVELOPER, FOUNDER, SALES, CARA, ADMIN, LEA])
    def test_who_is_no_support_cannot_open(self, desk, person):
        """S1: not developers, not founders, not sales; not even super admins, and leads by breaking the glass alone."""
        assert desk.refused(person, OPEN, str(CARA)) == NOT_YOURS
        if person != LEA:
            assert desk.refused(person, BREAK, str(CARA)) == NOT_YOURS

    def test_without_identity_nobody_opens_closes_or_lists(self, desk):
        grant = desk.open(ANN, CARA)
        assert desk.refused(None, OPEN, str(CARA)) == NOT_YOURS
        assert desk.refused(None, "select P.close_support(%s)", grant) == NOT_YOURS
        assert desk.refused(None, "select * from P.list_support()") == NOT_YOURS
        assert desk.refused(None, "select P.approve_support(%s)", grant) == NOT_YOURS

    @pytest.mark.parametrize(
        ("reason", "ticket", "until", "said"),
        [
            (None, None, "1 hour", "support access needs a reason or a ticket"),
            (" \n", None, "1 hour", "support access needs a reason or a ticket"),
            ("r" * 2001, None, "1 hour", "the reason for support access has more than 2000 bytes"),
            ("r", "cara@x.invalid", "1 hour", "this is no ticket"),
            ("r", None, "4 hours 1 minute", "support access ends within 4 hours from now"),
            ("r", None, "-1 minute", "support access needs an end that is still to come"),
            ("r", None, None, "support access needs an end that is still to come"),
        ],
    )
    def test_it_takes_a_reason_or_ticket_and_an_end_that_is_not_too_far(self, desk, reason, ticket, until, said):
        """S5: for a stated reason or ticket, for a limited time; which of these is wrong is said."""
        statement = "select P.open_support('person', '100', %s, %s, now() + %s::interval)"
        with pytest.raises(psycopg.Error) as caught:
            desk.run(ANN, statement, reason, ticket, until)
        assert (caught.value.sqlstate, caught.value.diag.message_primary) == (NO_TERMS, said)
        about_end = reason == "r" and ticket is None
        assert ("support.longest" in (caught.value.diag.message_hint or "")) == about_end

    def test_a_ticket_alone_is_enough(self, desk):
        assert desk.refused(ANN, "select P.open_support('person', '100', null, 'T-1', now() + '4 hours')") == ""

    @pytest.mark.parametrize("key", ["999", "0100", " 100", "zq17", "[100]"])
    def test_keys_of_nobody_are_refused_without_being_repeated(self, desk, key):
        with pytest.raises(psycopg.Error) as caught:
            desk.run(ANN, OPEN, key)
        assert caught.value.sqlstate == NOBODY
        assert key.strip() not in str(caught.value).replace("ZE305", "")

    def test_other_kinds_of_people_are_nobody(self, desk):
        assert desk.refused(ANN, "select P.open_support('diary', '100', 'r', null, now() + '1 hour')") == NOBODY

    def test_the_grants_are_noted_with_who_and_login(self, desk):
        """S2: every access is in the log, with the login beside the actor."""
        grant = desk.open(ANN, CARA)
        desk.run(ANN, "select P.close_support(%s)", grant)
        assert desk.entries(grant) == [("open", "10", "web"), ("close", "10", "web")]


class TestOtherTenants:
    """What is required of reading a person is required of whoever opens, lists, approves, closes and reviews access to him."""

    def test_people_of_another_tenant_are_nobody_to_open_access_to(self, desk):
        """Not even told apart: who allows it, who does not, and who is not there."""
        desk.admin("update help.person set allow_support = true where id = 200")
        assert desk.refused(ANN, OPEN, str(NORA)) == NOBODY
        desk.admin("update help.person set allow_support = false where id = 200")
        assert desk.refused(ANN, OPEN, str(NORA)) == NOBODY
        assert desk.refused(BEN, OPEN, str(NORA)) == NO_CONSENT
        assert desk.refused(BEN, OPEN, str(CARA)) == NOBODY

    def test_nobody_breaks_the_glass_of_another_tenant(self, desk):
        assert desk.refused(LEA, BREAK, str(NORA)) == NOBODY
        assert desk.refused(LIV, BREAK, str(DAN)) == NOBODY
        assert desk.refused(LIV, BREAK, str(NORA)) == ""

    def test_another_tenants_super_admin_and_leads_list_approve_close_and_review_nothing(self, desk):
        grant = desk.open(LEA, DAN, kind="open_break_glass")
        listed = "select grant_id from P.list_support() where grant_id = %s"
        approve, close = "select P.approve_support(%s)", "select P.close_support(%s)"
        review = "select P.review_support(%s, 'justified')"
        seen = {one: desk.run(one, listed, grant) != [] for one in (ADMIN, LEA, LOU, BO, LIV, LARS, BEN)}
        assert seen == {ADMIN: True, LEA: True, LOU: True, BO: False, LIV: False, LARS: False, BEN: False}
        assert desk.run(BO, "select * from P.list_support() where subject <> 'person' or person <> '200'") == []
        assert desk.refused(LIV, approve, grant) == desk.refused(LIV, approve, 10**6) == NOT_THERE
        assert desk.refused(LOU, approve, grant) == ""
        assert desk.refused(BO, close, grant) == desk.refused(BO, close, 10**6) == NOT_THERE
        assert desk.refused(ADMIN, close, grant) == ""
        assert desk.refused(LIV, review, grant) == desk.refused(LIV, review, 10**6) == NOT_THERE
        assert desk.refused(LOU, review, grant) == ""

    def test_who_moves_to_another_tenant_takes_nothing_along_but_may_still_close(self, desk):
        grant, other = desk.open(ANN, CARA), desk.open(ANN, EVE)
        desk.admin("update help.person set tenant = 2 where id = 10")
        try:
            assert desk.run(ANN, "select * from P.list_support()") == []
            # Tasks and messages ask for no tenant themselves; they were Cara's, and Cara is nobody here.
            assert desk.seen(ANN) == [[ANN], [], [], [], [], []]
            assert desk.refused(ANN, "select P.close_support(%s)", grant) == ""
        finally:
            desk.admin("update help.person set tenant = 1 where id = 10")
        assert desk.seen(ANN)[1] == [EVE * 10 + 1, EVE * 10 + 2]
        desk.admin("update help.person set tenant = 2 where id = 102")
        try:
            # Nor does it go along with the person.
            assert desk.seen(ANN) == [[ANN], [], [], [], [], []]
            assert desk.run(EVE, "select P.close_support(%s)", other) == [("",)]
        finally:
            desk.admin("update help.person set tenant = 1 where id = 102")

    def refused_to_operators(self, desk, holder: int, person: int) -> str:
        """The SQLSTATE with which opening access in this holder's name is refused to operators; empty where it is not."""
        with psycopg.connect(desk.database.dsn()) as operator:
            named = "select P_internal.open_grant('normal', %s, 'person', %s, 'r', null, now() + '1 hour')"
            try:
                operator.execute(desk.sql(named), [str(holder), str(person)])
            except psycopg.Error as error:
                return error.sqlstate or "?"
            finally:
                operator.rollback()
        return ""

    def test_what_the_persons_parents_pass_on_counts_as_well(self, desk):
        """The office's requirement, which people have from it; for the viewer whom an operator names like for who signs in."""
        desk.admin("update help.person set office_id = 2 where id in (11, 102)")
        openings = {(ANN, CARA): "", (ANN, EVE): NOBODY, (ABE, CARA): NOBODY, (ABE, EVE): ""}
        try:
            found = {pair: desk.refused(pair[0], OPEN, str(pair[1])) for pair in openings}
            assert found == openings
            assert {pair: self.refused_to_operators(desk, *pair) for pair in openings} == openings
        finally:
            desk.admin("update help.person set office_id = 1")

    def test_access_to_somebody_who_is_gone_is_reviewed_where_the_holder_is(self, desk):
        """Nothing is left of the person that could be asked; else the holder could never break the glass again."""
        desk.admin("insert into help.person (id, name, email, kind) values (300, 'Gus', 'gus@x.invalid', 'customer')")
        grant = desk.open(LEA, 300, kind="open_break_glass")
        desk.run(LOU, "select P.approve_support(%s)", grant)
        desk.run(LEA, "select P.close_support(%s)", grant)
        desk.admin("delete from help.person where id = 300")
        assert desk.refused(LIV, "select P.review_support(%s, 'justified')", grant) == NOT_THERE
        assert desk.run(BO, "select * from P.list_support() where grant_id = %s", grant) == []
        assert desk.refused(LOU, "select P.review_support(%s, 'justified')", grant) == ""


class TestForging:
    def test_opened_in_the_readers_own_transaction_it_opens_nothing(self, desk):
        """begin; open; read; rollback: there is no read without a committed trace."""
        with desk.acting(ANN) as connection:
            connection.execute(desk.sql(OPEN), ["100"])
            assert list(connection.execute(SEEN).fetchone()) == alone(ANN)
            connection.rollback()
        assert desk.seen(ANN) == alone(ANN)
        assert desk.run(ANN, "select * from P.list_support() where state = 'open'") == []

    def test_nor_after_a_savepoint_or_in_a_subtransaction(self, desk):
        with desk.acting(ANN) as connection:
            connection.execute("savepoint s")
            connection.execute(desk.sql(OPEN), ["100"])
            connection.execute("release s")
            assert list(connection.execute(SEEN).fetchone()) == alone(ANN)
            connection.rollback()

    def test_a_function_that_opens_and_reads_reads_nothing(self, desk):
        statement = f"do $$ declare n int; begin perform {desk.prefix}.open_support('person', '100', 'r', null, now() + '1 hour');"
        statement += " select count(*) into n from help.task; if n > 0 then raise 'leak'; end if; end $$"
        assert desk.refused(ANN, statement) == ""

    def test_nobody_opens_in_another_ones_name(self, desk):
        """Whatever is set, the holder is whom the token names."""
        with desk.acting(ANN) as connection:
            connection.execute("select set_config(%s, %s, true)", [f"{desk.prefix}.viewer", "11@x"])
            with pytest.raises(psycopg.Error) as caught:
                connection.execute(desk.sql(OPEN), ["100"])
        assert caught.value.sqlstate == NOT_YOURS

    @pytest.mark.parametrize(
        "statement",
        [
            "select * from P_internal.support_grant",
            "insert into P_internal.support_grant (kind) values ('normal')",
            "update P_internal.support_grant set until = 'infinity'",
            "select P_internal.open_grant('normal', '10', 'person', '100', 'r', null, now() + '1 hour')",
            "select P_internal.keep_ticket(1, 'task', '{}')",
            "select * from P_lookup.support_person",
            "select * from P_log.entry",
            "select P_log.write_entry('support', 'x', 'x', 'x', 1, null, null, null, null)",
        ],
    )
    def test_the_state_is_closed_to_people(self, desk, statement):
        assert desk.refused(ANN, statement) == "42501"


class TestUse:
    def test_other_peoples_rows_stay_closed(self, desk):
        """S5: one person's data."""
        desk.open(ANN, CARA)
        assert desk.run(ANN, "select id from help.task where owner_id <> 100") == []
        assert desk.run(ANN, "select id from help.person where id not in (10, 100)") == []

    def test_it_gives_reading_alone(self, desk):
        desk.open(ANN, CARA)
        for statement in (
            "update help.task set title = 'x'",
            "delete from help.task",
            "update help.person set name = 'x' where id = 100",
            "select from help.task for update",
            "select from help.task for key share",
        ):
            with desk.acting(ANN) as connection:
                assert connection.execute(statement.encode()).rowcount == 0
        assert desk.refused(ANN, "insert into help.task values (5, 100, 'x')") == "42501"
        assert desk.refused(ANN, "insert into help.step values (1001, 9, true)") == "42501"

    def test_masks_stay(self, desk):
        desk.open(ANN, CARA)
        assert desk.run(ANN, "select name, email from P.person where id = 100") == [("Cara", "hidden")]

    def test_requirements_stay(self, desk):
        """The parcel of another tenant stays closed, whoever looks."""
        desk.open(ANN, CARA)
        assert desk.run(ANN, "select number from help.parcel") == [(1,)]

    def test_who_loses_the_role_loses_the_access_at_once(self, desk):
        desk.open(ANN, CARA)
        with desk.acting(ANN) as connection:
            assert list(connection.execute(SEEN).fetchone()) == with_cara(ANN)
            desk.admin("update help.person set kind = 'sales' where id = 10")
            assert list(connection.execute(SEEN).fetchone()) == alone(ANN)

    def test_the_switch_off_suspends_it_at_once(self, desk):
        """S3: the person decides. A grant that is still open opens again where the person allows it again."""
        desk.open(ANN, CARA)
        with desk.acting(ANN) as connection:
            assert list(connection.execute(SEEN).fetchone()) == with_cara(ANN)
            desk.run(CARA, "update help.person set allow_support = false where id = 100")
            assert list(connection.execute(SEEN).fetchone()) == alone(ANN)
            desk.run(CARA, "update help.person set allow_support = true where id = 100")
            assert list(connection.execute(SEEN).fetchone()) == with_cara(ANN)

    def test_an_inactive_holder_sees_nothing(self, desk):
        desk.open(ANN, CARA)
        desk.admin("update help.person set status = 'INACTIVE' where id = 10")
        assert desk.seen(ANN) == [[]] * 6
        desk.admin("update help.person set status = 'ACTIVE' where id = 10")

    def test_it_is_over_at_its_end(self, desk):
        grant = desk.open(ANN, CARA)
        desk.expire(grant)
        assert desk.seen(ANN) == alone(ANN)
        assert desk.run(ANN, "select state from P.list_support() where grant_id = %s", grant) == [("expired",)]

    def test_several_at_a_time(self, desk):
        desk.open(ANN, CARA)
        desk.open(ANN, EVE)
        assert desk.seen(ANN)[0] == [ANN, CARA, EVE]
        assert desk.seen(ANN)[1] == [1001, 1002, 1021, 1022]


class TestSwitch:
    """S3: "allow support staff to view my account" is the person's own to say."""

    SWITCH = "update help.person set allow_support = %s where id = %s"

    def test_who_does_not_allow_it_is_not_looked_at(self, desk):
        assert desk.refused(ANN, OPEN, str(DAN)) == NO_CONSENT
        desk.run(DAN, self.SWITCH, True, DAN)
        assert desk.refused(ANN, OPEN, str(DAN)) == ""

    def test_nobody_else_switches_it_super_admins_included(self, desk):
        assert desk.refused(ADMIN, self.SWITCH, True, DAN) == "42501"
        assert desk.refused(ADMIN, "update help.person set name = 'Don' where id = 101") == ""
        # Not even by becoming the person's row in the same statement.
        assert desk.refused(ADMIN, "update help.person set allow_support = true, id = 1 where id = 101") != ""
        assert desk.refused(DAN, self.SWITCH, True, DAN) == ""

    def test_new_people_have_not_allowed_it(self, desk):
        new = "insert into help.person (id, name, email, kind, allow_support) values (900, 'N', 'n@x.invalid', 'customer', %s)"
        with desk.acting(ADMIN) as connection:
            connection.execute(new, [False])
            connection.rollback()
        assert desk.refused(ADMIN, new, True) == "42501"

    def test_who_may_be_staff_is_not_for_staff_to_say(self, desk):
        """What support.who reads is guarded: an agent cannot make himself a lead."""
        assert desk.refused(ANN, "update help.person set kind = 'lead' where id = 10") == "42501"


class TestClosing:
    def test_the_holder_the_person_and_super_admins_close(self, desk):
        for person in (ANN, CARA, ADMIN):
            grant = desk.open(ANN, CARA)
            desk.run(person, "select P.close_support(%s)", grant)
            assert desk.seen(ANN) == alone(ANN)

    def test_others_cannot_and_do_not_learn_what_there_is(self, desk):
        grant = desk.open(ANN, CARA)
        for person in (ABE, LEA, DAN):
            assert desk.refused(person, "select P.close_support(%s)", grant) == NOT_THERE
        assert desk.refused(ABE, "select P.close_support(%s)", 10**9) == NOT_THERE
        assert desk.seen(ANN) == with_cara(ANN)

    def test_it_ends_with_the_next_statement(self, desk):
        grant = desk.open(ANN, CARA)
        with desk.acting(ANN) as connection:
            assert list(connection.execute(SEEN).fetchone()) == with_cara(ANN)
            desk.run(CARA, "select P.close_support(%s)", grant)
            assert list(connection.execute(SEEN).fetchone()) == alone(ANN)

    def test_what_closing_cannot_stop(self, desk):
        """A snapshot that was taken before, an open cursor, one WITH HOLD: docs/support.md says so."""
        grant = desk.open(ANN, CARA)
        with (
            psycopg.connect(desk.database.dsn(desk.roles["web"])) as frozen,
            psycopg.connect(desk.database.dsn(desk.roles["web"])) as cursors,
        ):
            frozen.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            desk.present(frozen, ANN)
            assert list(frozen.execute(SEEN).fetchone()) == with_cara(ANN)
            desk.present(cursors, ANN)
            cursors.execute("declare held cursor with hold for select id from help.task order by id")
            cursors.commit()
            desk.present(cursors, ANN)
            cursors.execute("declare open cursor for select id from help.task order by id")
            assert cursors.execute("fetch 1 from open").fetchall() == [(1001,)]
            desk.run(ANN, "select P.close_support(%s)", grant)
            assert list(frozen.execute(SEEN).fetchone()) == with_cara(ANN)
            assert cursors.execute("fetch all from open").fetchall() == [(1002,)]
            assert cursors.execute("fetch all from held").fetchall() == [(1001,), (1002,)]
            assert cursors.execute("select id from help.task").fetchall() == []
            frozen.rollback()
            desk.present(frozen, ANN)
            assert list(frozen.execute(SEEN).fetchone()) == alone(ANN)


class TestBreakGlass:
    def test_it_opens_nothing_before_a_second_person_approves(self, desk):
        grant = desk.open(LEA, DAN, kind="open_break_glass")
        assert desk.seen(LEA) == alone(LEA)
        desk.run(LOU, "select P.approve_support(%s)", grant)
        assert desk.seen(LEA)[:2] == [[LEA, DAN], [1011, 1012]]
        assert desk.entries(grant) == [("break_glass", "20", "web"), ("approve", "21", "web")]

    def test_nobody_approves_his_own(self, desk):
        grant = desk.open(LEA, DAN, kind="open_break_glass")
        assert desk.refused(LEA, "select P.approve_support(%s)", grant) == NOT_YOURS
        assert desk.seen(LEA) == alone(LEA)

    @pytest.mark.parametrize("person", [ANN, ADMIN, FOUNDER, DAN])
    def test_who_may_not_break_the_glass_may_not_approve(self, desk, person):
        grant = desk.open(LEA, DAN, kind="open_break_glass")
        assert desk.refused(person, "select P.approve_support(%s)", grant) == NOT_YOURS

    def test_approved_in_the_readers_own_transaction_it_opens_nothing(self, desk):
        """One connection that has both tokens: approve as Lou, read as Lea, roll back."""
        grant = desk.open(LEA, DAN, kind="open_break_glass")
        with desk.acting(LOU) as connection:
            connection.execute(desk.sql("select P.approve_support(%s)"), [grant])
            desk.present(connection, LEA)
            assert list(connection.execute(SEEN).fetchone()) == alone(LEA)
            connection.rollback()
        assert desk.seen(LEA) == alone(LEA)

    def test_the_switch_does_not_matter_but_the_role_does(self, desk):
        grant = desk.open(LEA, DAN, kind="open_break_glass")
        desk.run(LOU, "select P.approve_support(%s)", grant)
        desk.admin("update help.person set kind = 'agent' where id = 20")
        seen = desk.seen(LEA)
        desk.admin("update help.person set kind = 'lead' where id = 20")
        assert seen == alone(LEA)
        assert desk.seen(LEA)[0] == [LEA, DAN]

    def test_an_unreviewed_one_blocks_the_next_until_somebody_else_reviews_it(self, desk):
        first = desk.open(LEA, DAN, kind="open_break_glass")
        desk.run(LOU, "select P.approve_support(%s)", first)
        desk.run(LEA, "select P.close_support(%s)", first)
        assert desk.refused(LEA, BREAK, str(EVE)) == UNREVIEWED
        assert desk.refused(LOU, BREAK, str(EVE)) == ""
        assert desk.refused(LEA, "select P.review_support(%s, 'justified')", first) == NOT_YOURS
        assert desk.refused(LOU, "select P.review_support(%s, 'fine')", first) == NO_TERMS
        assert desk.refused(ANN, "select P.review_support(%s, 'justified')", first) == NOT_YOURS
        desk.run(LOU, "select P.review_support(%s, 'unjustified')", first)
        assert desk.refused(LOU, "select P.review_support(%s, 'justified')", first) == NOT_THERE
        second = desk.open(LEA, CARA, kind="open_break_glass")
        desk.run(LEA, "select P.close_support(%s)", second)
        # The second was never approved, so that it has opened nothing.
        assert desk.refused(LEA, BREAK, str(EVE)) == ""

    @pytest.mark.parametrize("second_person", [True, False])
    def test_threat_a_review_is_put_off_by_opening_the_next_while_the_first_runs(self, desk, second_person):
        first = desk.open(LEA, DAN, kind="open_break_glass")
        if not second_person:
            # As in a pack that asks for a review only.
            desk.admin(f"update {{P}}_internal.support_grant set second_person = false where grant_id = {first}")
        assert desk.refused(LEA, BREAK, str(EVE)) == UNREVIEWED
        if second_person:
            desk.run(LOU, "select P.approve_support(%s)", first)
            assert desk.refused(LEA, BREAK, str(EVE)) == UNREVIEWED
        desk.run(LEA, "select P.close_support(%s)", first)
        assert desk.refused(LEA, BREAK, str(EVE)) == UNREVIEWED
        desk.run(LOU, "select P.review_support(%s, 'justified')", first)
        assert desk.refused(LEA, BREAK, str(EVE)) == ""

    def test_one_that_ended_by_itself_blocks_too_and_what_is_open_is_not_reviewed(self, desk):
        grant = desk.open(LEA, DAN, kind="open_break_glass")
        desk.run(LOU, "select P.approve_support(%s)", grant)
        assert desk.refused(LOU, "select P.review_support(%s, 'justified')", grant) == NOT_THERE
        desk.expire(grant)
        assert desk.refused(LEA, BREAK, str(EVE)) == UNREVIEWED
        assert desk.run(LOU, "select state from P.list_support() where grant_id = %s", grant) == [("to be reviewed",)]

    def test_a_super_admin_is_no_second_person(self, desk):
        grant = desk.open(LEA, DAN, kind="open_break_glass")
        assert desk.refused(ADMIN, "select P.approve_support(%s)", grant) == NOT_YOURS


def test_what_is_marked_parallel_safe_calls_nothing_that_is_not(desk):
    """A plan would else do in a worker what may not be done there."""
    with psycopg.connect(desk.database.admin_dsn) as admin:
        found = admin.execute(
            "select caller.oid::regprocedure::text, called.oid::regprocedure::text"
            " from pg_proc as caller join pg_namespace as home on home.oid = caller.pronamespace"
            " join pg_proc as called on called.proparallel <> 's' join pg_namespace as its on its.oid = called.pronamespace"
            " where starts_with(home.nspname, %s) and caller.proparallel = 's'"
            " and strpos(coalesce(pg_get_function_sqlbody(caller.oid), caller.prosrc), its.nspname || '.' || called.proname || '(') > 0",
            [desk.prefix],
        ).fetchall()
        (safe,) = admin.execute(
            "select proparallel from pg_proc where oid = %s::regproc", [desk.sql("P_internal.open_grants").decode()]
        ).fetchone()
    assert (found, safe) == ([], "s")


class TestReading:
    """Which rows were returned: taken down and committed before they are (`log_read_…`, `read_…`)."""

    def test_a_ticket_returns_the_rows_that_were_taken_down(self, desk):
        grant = desk.open(ANN, CARA)
        ticket = desk.value(ANN, "select P.log_read_task(%s, %s)", grant, ["1001", "1021", "7"])
        assert desk.run(ANN, "select id, title from P.read_task(%s)", ticket) == [(1001, "of Cara")]
        assert desk.entries(grant) == [("open", "10", "web"), ("read", "10", "web")]
        everything = desk.value(ANN, "select P.log_read_task(%s)", grant)
        assert desk.run(ANN, "select id from P.read_task(%s) order by 1", everything) == [(1001,), (1002,)]

    def test_the_log_has_the_keys_apart_and_the_number_beside(self, desk):
        grant = desk.open(ANN, CARA)
        desk.value(ANN, "select P.log_read_parcel(%s)", grant)
        with psycopg.connect(desk.database.admin_dsn) as admin:
            found = admin.execute(
                desk.sql(
                    "select e.new, v.subject, v.person, v.new from P_log.entry as e join P_log.value as v using (class, entry_id)"
                    " where e.grant_id = %s and e.action = 'read'"
                ),
                [grant],
            ).fetchall()
        assert found == [({"resource": "parcel", "rows": 1}, "person", "100", {"keys": ['["100", "1"]']})]
        ticket = desk.value(ANN, "select P.log_read_parcel(%s)", grant)
        assert desk.run(ANN, "select person_id, number from P.read_parcel(%s)", ticket) == [(100, 1)]

    def test_masked_columns_stay_masked(self, desk):
        grant = desk.open(ANN, CARA)
        ticket = desk.value(ANN, "select P.log_read_person(%s)", grant)
        assert desk.run(ANN, "select id, name, email from P.read_person(%s)", ticket) == [(100, "Cara", "hidden")]

    def test_in_the_transaction_that_took_it_a_ticket_returns_nothing(self, desk):
        """log; read; rollback would be reading without a trace."""
        grant = desk.open(ANN, CARA)
        with desk.acting(ANN) as connection:
            ticket = connection.execute(desk.sql("select P.log_read_task(%s)"), [grant]).fetchone()[0]
            with pytest.raises(psycopg.Error) as caught:
                connection.execute(desk.sql("select * from P.read_task(%s)"), [ticket])
        assert caught.value.sqlstate == NO_TICKET

    def test_a_ticket_is_its_holders_alone(self, desk):
        grant = desk.open(ANN, CARA)
        ticket = desk.value(ANN, "select P.log_read_task(%s)", grant)
        desk.open(ABE, CARA)
        for person in (ABE, CARA, ADMIN, None):
            assert desk.refused(person, "select * from P.read_task(%s)", ticket) == NO_TICKET
            assert desk.refused(person, "select P.ticket_keys(%s, 'task')", ticket) == NO_TICKET
        assert desk.refused(ABE, "select P.log_read_task(%s)", grant) == NOT_THERE

    def test_it_is_of_one_resource_and_as_long_as_the_access(self, desk):
        grant = desk.open(ANN, CARA)
        ticket = desk.value(ANN, "select P.log_read_task(%s)", grant)
        assert desk.refused(ANN, "select * from P.read_message(%s)", ticket) == NO_TICKET
        desk.run(CARA, "update help.person set allow_support = false where id = 100")
        assert desk.refused(ANN, "select * from P.read_task(%s)", ticket) == NO_TICKET
        desk.run(CARA, "update help.person set allow_support = true where id = 100")
        assert desk.refused(ANN, "select * from P.read_task(%s)", ticket) == ""
        desk.run(ANN, "select P.close_support(%s)", grant)
        assert desk.refused(ANN, "select * from P.read_task(%s)", ticket) == NO_TICKET
        assert desk.refused(ANN, "select P.log_read_task(%s)", grant) == NOT_THERE

    def test_what_links_do_not_name_cannot_be_taken_down(self, desk):
        grant = desk.open(ANN, CARA)
        assert desk.refused(ANN, "select P.log_read_diary(%s)", grant) == "42883"
