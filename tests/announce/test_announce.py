"""S2: every access of the staff is announced to the team, with the event itself or not at all, and its text gives nobody away."""

from __future__ import annotations

from threading import Barrier, Thread

import psycopg
import pytest

from pgerase.apply.ledger import drift, read_state
from pgerase.database import Database
from pgerase.operate import erase, open_request
from pgerase.operate.deliver import Audience, Message, body, note_overdue, take
from pgerase.operate.retention import maintain
from pgerase.plan.revert import make_revert


def test_s2_what_happens_is_announced_and_what_does_not_is_not(care):
    grant = care.opened()
    assert care.told(grant) == [("channel", "opened"), ("person", "opened")]
    with care.secret() as connection:
        connection.execute(care.sql("select P_internal.announce(p_kind => 'closed', p_grant => %s)").encode(), [grant])
        connection.rollback()
    assert len(care.told(grant)) == 2


def test_a_notification_is_a_number_and_comes_with_the_commit(care):
    listener = care.database.connect(care.roles["web"])
    listener.execute("listen care_support")
    with care.secret() as connection:
        opening = (
            "select P_internal.open_grant('normal', 'agent-1', 'person', '70', null, 'T-1', now() + interval '1 hour')"
        )
        grant = connection.execute(care.sql(opening).encode()).fetchone()[0]
        assert list(listener.notifies(timeout=0.05)) == []
    payloads = {note.payload for note in listener.notifies(timeout=10, stop_after=2)}
    messages = care.as_secret("select message_id::text from P_internal.outbox where grant_id = %s", [grant])
    assert payloads == {message for (message,) in messages}
    assert len(payloads) == 2


def test_threat_a_forged_notification_is_no_message(care):
    web = care.database.connect(care.roles["web"])
    forged = "6b0a1d0e-5f0e-4f3c-9d3a-000000000000"
    web.execute("select pg_notify('care_support', %s)", [forged])
    assert care.as_secret("select count(*) from P_internal.outbox") == [(0,)]
    for statement in (
        "select * from P_internal.take_message('{channel,person}', '1 minute')",
        f"select P_internal.settle_message('{forged}', 1, 200, null, false, null)",
        "select P_internal.announce('opened', 1)",
        "select * from P_internal.outbox",
        "insert into P_internal.outbox (kind, event) values ('channel', 'opened')",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            web.execute(care.sql(statement).encode())


def test_threat_the_owner_cannot_write_the_record(care):
    grant = care.opened()
    owner = care.database.connect()
    assert owner.execute(care.sql("select count(*) from P_internal.outbox")).fetchone() == (2,)
    for statement in (
        "delete from P_internal.outbox",
        "update P_internal.outbox set delivered_at = now(), next_attempt_at = null",
        "insert into P_internal.outbox (kind, event) values ('channel', 'opened')",
        "truncate P_internal.outbox",
        f"select P_internal.announce('closed', {grant})",
    ):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            owner.execute(care.sql(statement).encode())
    assert len(care.told(grant)) == 2


def test_s4_the_person_is_not_told_of_what_nobody_approved(care):
    grant = care.opened(kind="break_glass", holder="lead-1")
    assert care.told(grant) == [("channel", "break_glass_opened")]
    care.happened(grant, "closed")
    assert care.told(grant)[1:] == [("channel", "closed")]
    care.as_secret(
        "update P_internal.support_grant set approved_by = 'lead-2', approved_at = now(), approved_xact = pg_current_xact_id()"
    )
    for event in ("approved", "closed", "reviewed", "review_overdue"):
        care.happened(grant, event)
    told = [event for kind, event in care.told(grant) if kind == "person"]
    assert told == ["approved", "closed"]


def test_without_a_webhook_nothing_waits_for_one(care):
    function = "P_internal.announce_settings()"
    ((before,),) = care.as_secret(f"select pg_get_functiondef('{function}'::regprocedure)")
    try:
        care.as_secret(before.replace("'CARE_WEBHOOK_URL'", "null").replace("'care_support'", "null"))
        grant = care.opened()
        assert care.as_secret("select kind, next_attempt_at is null from P_internal.outbox order by kind") == [
            ("channel", True),
            ("person", False),
        ]
        # Not even without any settings is something that happened forgotten.
        care.as_secret(f"alter function {function} rename to away")
        try:
            care.happened(grant, "closed")
        finally:
            care.as_secret("alter function P_internal.away() rename to announce_settings")
        assert ("channel", "closed") in care.told(grant)
    finally:
        care.as_secret(before)


# --- what time brings ---


def test_expiry_and_overdue_reviews_are_announced_once(care):
    open_still, expired, closed = care.opened(), care.opened(), care.opened()
    glass = care.opened(kind="break_glass", holder="lead-1")
    unapproved = care.opened(kind="break_glass", holder="lead-2")
    past = "opened_at = opened_at - interval '3 hours', until = until - interval '3 hours'"
    care.as_secret(f"update P_internal.support_grant set {past} where grant_id = any (%s)", [[expired, unapproved]])
    care.as_secret(f"update P_internal.support_grant set {past}, closed_at = opened_at where grant_id = %s", [closed])
    care.as_secret(
        f"update P_internal.support_grant set {past}, review_due = now() - interval '1 second',"
        " approved_by = 'lead-2', approved_at = now(), approved_xact = pg_current_xact_id() where grant_id = %s",
        [glass],
    )
    register = care.register()
    assert note_overdue(register) == 4
    assert note_overdue(register) == 0
    assert care.told(open_still)[2:] == care.told(closed)[2:] == []
    assert care.told(expired)[2:] == [("channel", "expired"), ("person", "expired")]
    assert care.told(unapproved)[1:] == [("channel", "expired")]
    assert care.told(glass)[1:] == [("channel", "expired"), ("person", "expired"), ("channel", "review_overdue")]
    entries = care.database.connect().execute(
        care.sql(
            "select action, grant_id from P_log.entry"
            " where class = 'support' and grant_id >= %s and action like any ('{expire,%%overdue}') order by 2, 1"
        ),
        [open_still],
    )
    assert entries.fetchall() == [
        ("expire", expired),
        ("expire", glass),
        ("review_overdue", glass),
        ("expire", unapproved),
    ]


def test_two_sessions_that_notice_at_once_announce_once(care):
    grants = [care.opened() for _ in range(5)]
    care.as_secret(
        "update P_internal.support_grant set opened_at = now() - interval '2 hours', until = now() - interval '1 hour'"
    )
    registers = [care.register(), care.register()]
    barrier = Barrier(2)
    noted: list[int] = []

    def notice(register) -> None:
        barrier.wait(10)
        noted.append(note_overdue(register))

    threads = [Thread(target=notice, args=[register]) for register in registers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sum(noted) == 5
    for grant in grants:
        assert [event for kind, event in care.told(grant) if kind == "channel"] == ["opened", "expired"]


# --- what it says ---

_DATES = "opened_at = '2026-03-01 08:00Z', until = '2026-03-01 09:30Z'"
_ACCESS = "to the data of one person (ticket T-1)"
_ASKED_FOR = f"""Break-glass access # {_ACCESS} was asked for, and a second person has to approve it, until 2026-03-01 09:30 UTC, \
without asking the person. To be reviewed by 2026-03-02 09:30 UTC."""


@pytest.mark.parametrize(
    ("kind", "change", "event", "channel", "person"),
    [
        (
            "normal",
            "",
            "opened",
            f"Support access # {_ACCESS} was opened until 2026-03-01 09:30 UTC.",
            "Support has access to your data until 2026-03-01 09:30 UTC. Reason: wants help. Ticket: T-1.",
        ),
        (
            "normal",
            "reason = null",
            "opened",
            f"Support access # {_ACCESS} was opened until 2026-03-01 09:30 UTC.",
            "Support has access to your data until 2026-03-01 09:30 UTC. Ticket: T-1.",
        ),
        (
            "normal",
            "ticket = null, reason = 'Cannot sign in!'",
            "opened",
            "Support access # to the data of one person was opened until 2026-03-01 09:30 UTC.",
            "Support has access to your data until 2026-03-01 09:30 UTC. Reason: Cannot sign in!",
        ),
        (
            "normal",
            "closed_at = '2026-03-01 08:20Z'",
            "closed",
            f"Support access # {_ACCESS} was closed on 2026-03-01 08:20 UTC.",
            "Support's access to your data ended on 2026-03-01 08:20 UTC.",
        ),
        (
            "normal",
            "",
            "expired",
            f"Support access # {_ACCESS} expired on 2026-03-01 09:30 UTC.",
            "Support's access to your data ended on 2026-03-01 09:30 UTC.",
        ),
        (
            "break_glass",
            "",
            "break_glass_opened",
            _ASKED_FOR,
            None,
        ),
        (
            "break_glass",
            "second_person = false, review_due = null, review_within = null",
            "break_glass_opened",
            f"Break-glass access # {_ACCESS} was opened until 2026-03-01 09:30 UTC, without asking the person.",
            "Support has access to your data without your consent until 2026-03-01 09:30 UTC. Reason: wants help. Ticket: T-1.",
        ),
        (
            "break_glass",
            "approved_by = 'lead-2', approved_at = '2026-03-01 08:01Z', approved_xact = pg_current_xact_id()",
            "approved",
            f"Break-glass access # {_ACCESS} was approved by a second person: it is open until 2026-03-01 09:30 UTC.",
            "Support has access to your data without your consent until 2026-03-01 09:30 UTC. Reason: wants help. Ticket: T-1.",
        ),
        (
            "break_glass",
            "verdict = 'unjustified', reviewed_by = 'lead-2', reviewed_at = now()",
            "reviewed",
            f"Break-glass access # {_ACCESS} was reviewed: unjustified.",
            None,
        ),
        (
            "break_glass",
            "",
            "review_overdue",
            f"Break-glass access # {_ACCESS} should have been reviewed by 2026-03-02 09:30 UTC.",
            None,
        ),
    ],
)
def test_a_message_says_what_happened(care, kind, change, event, channel, person):
    grant = care.opened(kind=kind)
    due = ", review_due = '2026-03-02 09:30Z'" if kind == "break_glass" else ""
    care.as_secret(f"update P_internal.support_grant set {_DATES}{due}")
    if change:
        care.as_secret(f"update P_internal.support_grant set {change}")
    text = "select P_internal.message_text(%s, %s, %s)"
    assert care.as_secret(text, ["channel", event, grant]) == [(channel.replace("#", str(grant)),)]
    if person is not None:
        assert care.as_secret(text, ["person", event, grant]) == [(person,)]


def test_threat_the_channel_learns_no_names_keys_or_reasons(care):
    grant = care.opened(why="Anna Arbor <anna@example.org> forgot her PIN", kind="break_glass", holder="lead-1")
    care.as_secret(
        "update P_internal.support_grant set verdict = 'justified', reviewed_by = 'lead-2', reviewed_at = now()"
    )
    events = ("opened", "approved", "closed", "expired", "reviewed", "break_glass_opened", "review_overdue")
    for event in events:
        ((text,),) = care.as_secret("select P_internal.message_text('channel', %s, %s)", [event, grant])
        assert text
        for given_away in ("nna", "rbor", "lead-1", "lead-2", "PIN", " 70 ", "example"):
            assert given_away not in text, event


def values_of(care, person: int) -> int:
    """How much the log has apart that is the person's."""
    with care.database.connect_admin() as admin:
        statement = "select count(*) from P_log.value where subject = 'person' and person = %s"
        return admin.execute(care.sql(statement).encode(), [str(person)]).fetchone()[0]


def test_threat_what_happens_after_erasing_brings_the_person_back(care):
    """E4: a close, a review or time passing writes nothing of the person any more, and nothing of it is posted."""
    with care.database.connect_admin() as admin:
        admin.execute(
            "insert into care.person (number, login, name, kind) values (73, 'dora', 'Dora Dunn', 'customer')"
        )
    grant = care.opened(73, why="Dora forgot her PIN")
    glass = care.opened(73, kind="break_glass", why="Dora again")
    care.as_owner("select P_internal.approve_grant(%s, 'lead-2')", [glass])
    expired = care.opened(73)
    past = "opened_at = opened_at - interval '3 hours', until = until - interval '3 hours'"
    care.as_secret(f"update P_internal.support_grant set {past} where grant_id = %s", [expired])
    assert values_of(care, 73) > 0
    register = care.register()
    erase(register, open_request(register, "person", ["73"]).number)
    assert values_of(care, 73) == 0

    care.as_owner("select P_internal.review_grant(%s, 'lead-2', 'justified')", [glass])
    assert note_overdue(register) == 1
    with pytest.raises(psycopg.errors.Error, match="no open support access"):
        care.as_secret("select P_internal.keep_ticket(%s, 'note', '{73}')", [grant])
    assert values_of(care, 73) == 0
    told = ("opened", "closed"), ("break_glass_opened", "approved", "closed", "reviewed"), ("opened", "expired")
    for number, events in zip((grant, glass, expired), told, strict=True):
        assert care.told(number) == [("channel", event) for event in events]
    care.later()
    posted = []
    while (message := take(register, tuple(Audience))) is not None:
        posted.append(message)
        assert (message.audience, message.subject, message.key) == (Audience.CHANNEL, None, None)
        care.as_secret("update P_internal.outbox set next_attempt_at = null where message_id = %s", [message.number])
    assert len(posted) == 8
    states = care.as_secret("select grant_id, state from P_internal.list_grants(null) order by 1")
    assert states == [(grant, "ended by erasing"), (glass, "ended by erasing"), (expired, "expired")]


def test_threat_access_opened_while_the_person_is_erased_outlives_it(care):
    with care.database.connect_admin() as admin:
        admin.execute("insert into care.person (number, login, name, kind) values (74, 'ella', 'Ella Elm', 'customer')")
    register = care.register()
    request = open_request(register, "person", ["74"])
    # Opened and not committed: erasing waits for it.
    opening = care.database.connect()
    opening.autocommit = False
    statement = (
        "select P_internal.open_grant('normal', 'agent-1', 'person', '74', 'Ella', 'T-1', now() + interval '1 hour')"
    )
    (grant,) = opening.execute(care.sql(statement).encode()).fetchone()
    erasing = Thread(target=erase, args=(register, request.number))
    erasing.start()
    with care.database.connect_admin() as admin:
        waiting = "select exists (select from pg_locks where locktype = 'advisory' and not granted)"
        while erasing.is_alive() and not admin.execute(waiting).fetchone()[0]:
            pass
        assert erasing.is_alive()
    opening.commit()
    erasing.join()
    assert care.as_secret(
        "select reason, closed_at is not null from P_internal.support_grant where grant_id = %s", [grant]
    ) == [(None, True)]
    assert values_of(care, 74) == 0
    with pytest.raises(psycopg.errors.Error, match="nobody of this kind"):
        care.opened(74)


def test_s2_grants_end_as_their_entries_do_but_not_unreviewed_nor_held(care):
    """Retention: with tickets and messages, after the class's keep, and recorded by number."""
    over, unreviewed, reviewed, held, running = (
        care.opened(70),
        care.opened(70, kind="break_glass", holder="lead-1"),
        care.opened(70, kind="break_glass", holder="lead-2"),
        care.opened(71),
        care.opened(70),
    )
    care.as_secret("select P_internal.keep_ticket(%s, 'note', '{70}')", [over])
    care.as_owner("select P_internal.approve_grant(%s, 'lead-2')", [unreviewed])
    care.as_owner("select P_internal.approve_grant(%s, 'lead-1')", [reviewed])
    with care.database.connect_admin() as admin:
        keep = "(select keep from P_log.class where class = 'support')"
        # All but one ended just over keep ago; the review of one is younger than that.
        change = (
            f"update P_internal.support_grant set opened_at = opened_at - {keep} - interval '2 hours',"
            f" until = until - {keep} - interval '2 hours' where grant_id <> %s"
        )
        admin.execute(care.sql(change).encode(), [running])
        admin.execute(
            care.sql(
                "update P_internal.support_grant set reviewed_by = 'lead-1', reviewed_at = now(), verdict = 'justified'"
                " where grant_id = %s"
            ).encode(),
            [reviewed],
        )
        pruned = "select coalesce(jsonb_agg(body), '[]') from P_log.record where kind = 'prune'"
    care.as_owner("select P_log.place_hold('person', '71', null, null, 'case-1')")

    def left() -> list[int]:
        return [number for (number,) in care.as_secret("select grant_id from P_internal.support_grant order by 1")]

    with Database.open(care.database.dsn()) as database:
        assert maintain(database, care.prefix, make=False).pruned == 1
        assert left() == [unreviewed, reviewed, held, running]
        assert care.as_owner(pruned) == [{"class": "support", "grants": [over]}]
        assert care.as_secret("select count(*) from P_internal.support_ticket") == [(0,)]
        assert care.told(over) == []
        care.as_owner("select P_log.release_holds('person', '71', null)")
        assert maintain(database, care.prefix, make=False).pruned == 1
    assert left() == [unreviewed, reviewed, running]
    later = f"select P_internal.prune_support(clock_timestamp() + {keep})"
    assert care.as_owner(later) == 1
    assert left() == [unreviewed, running]


def test_threat_text_cannot_call_or_link_anybody_in_the_channel():
    hostile = "<!channel> &amp; <https://evil.example|click>"
    message = Message(None, 1, Audience.CHANNEL, "opened", "person", "70", hostile)
    assert body(message) == {"text": "&lt;!channel&gt; &amp;amp; &lt;https://evil.example|click&gt;"}


def test_the_outbox_goes_with_the_grant(care):
    grant = care.opened()
    care.as_secret("delete from P_internal.support_grant where grant_id = %s", [grant])
    assert care.told(grant) == []


def test_plan_drift_and_revert_know_how_it_is_announced(care):
    assert care.plan().pending == ()
    with Database.open(care.database.dsn()) as database:
        assert drift(database, care.prefix) == ()
    function = "P_internal.announce_settings()"
    ((before,),) = care.as_secret(f"select pg_get_functiondef('{function}'::regprocedure)")
    try:
        care.as_secret(before.replace("'CARE_WEBHOOK_URL'", "'ELSEWHERE'"))
        with Database.open(care.database.dsn()) as database:
            assert [finding.code for finding in drift(database, care.prefix)] == ["changed"]
    finally:
        care.as_secret(before)
    with Database.open(care.database.dsn()) as database:
        steps = [str(step.key) for step in make_revert(*read_state(database, care.prefix), care.prefix, "care").steps]
    assert any("announce_settings" in step for step in steps)
    assert any("own_person" in step for step in steps)
