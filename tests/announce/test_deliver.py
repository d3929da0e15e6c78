"""`pgerase deliver` (S2): at least once and by one only, whoever is killed, whatever the webhook does; and nobody learns its address."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from threading import Barrier, Thread

import psycopg
import pytest

from pgerase.cli import deliver as command
from pgerase.cli.main import main
from pgerase.database import Database
from pgerase.operate import Audience, deliver_due, outbox
from pgerase.operate.deliver import Attempt, retry_refused, settle, take
from pgerase.operate.log_status import log_status
from pgerase.webhook import Answer, Failure, Webhook
from tests.announce.conftest import Care, Hook

SECRET = "s3cr3t-path"


def hooks(channel: Hook, person: Hook | None = None) -> dict[Audience, Webhook]:
    found = {Audience.CHANNEL: Webhook.read("HOOK", {"HOOK": channel.url})}
    if person is not None:
        found[Audience.PERSON] = Webhook.read("HOOK", {"HOOK": person.url})
    return found


def left(care: Care) -> tuple[int, int]:
    """How many wait and how many are refused, of those for the channel."""
    found = outbox(care.register(), (Audience.CHANNEL,))
    return found.waiting, found.refused


class Killed(BaseException):
    """Stands for a signal that nobody survives."""


@pytest.fixture
def run(care, hook, monkeypatch, capfd):
    """`run(*options)`: the command, as (exit code, standard output, standard error)."""
    monkeypatch.setenv("CARE_WEBHOOK_URL", hook.url)

    def call(*options: str) -> tuple[int, str, str]:
        code = main(["deliver", "--dsn", care.database.dsn(), "--prefix", care.prefix, *options])
        said = capfd.readouterr()
        return code, said.out, said.err

    return call


def test_s2_the_team_and_the_person_are_told(care, hook, hook_server, run, monkeypatch):
    person = hook_server()
    monkeypatch.setenv("PERSON_URL", person.url)
    grant = care.opened()
    code, out, _ = run("--person-env", "PERSON_URL")
    assert (code, out) == (0, "2 delivered, 0 not, 0 waiting, 0 refused for good\n")
    assert set(hook.bodies[0]) == {"text"}
    assert hook.bodies[0]["text"].startswith(
        f"Support access {grant} to the data of one person (ticket T-1) was opened"
    )
    (told,) = person.bodies
    assert (told["event"], told["subject"], told["key"]) == ("opened", "person", "70")
    assert told["message"].endswith("Reason: wants help. Ticket: T-1.")
    assert run()[1] == "0 delivered, 0 not, 0 waiting, 0 refused for good\n"
    assert len(hook.posted) == len(person.posted) == 1


def test_s4_what_the_person_is_told_never_goes_to_the_channel(care, hook, run):
    care.opened()
    assert run()[0] == 0
    assert len(hook.posted) == 1
    assert "wants help" not in json.dumps(hook.bodies)
    assert outbox(care.register(), (Audience.PERSON,)).waiting == 1


def test_what_expired_is_announced_by_delivering(care, hook, run):
    care.opened()
    care.as_secret(
        "update P_internal.support_grant set opened_at = now() - interval '2 hours', until = now() - interval '1 hour'"
    )
    code, out, _ = run("--format", "json")
    data = json.loads(out)
    assert (code, data["noted"], [one["event"] for one in data["attempts"]]) == (0, 1, ["opened", "expired"])
    assert [one["delivered"] for one in data["attempts"]] == [True, True]
    assert "expired on" in hook.bodies[1]["text"]


# --- killed on the way ---


def test_threat_killed_before_it_posts_loses_nothing(care, hook, monkeypatch):
    care.opened()
    register = care.register()
    taken = take(register, (Audience.CHANNEL,))
    assert taken is not None
    # Whoever took it is gone. For a while nobody else takes it; then it is due again.
    assert deliver_due(care.register(), hooks(hook)) == ()
    care.later()
    (attempt,) = deliver_due(care.register(), hooks(hook))
    assert (attempt.message.number, attempt.message.attempt) == (taken.number, 2)
    assert hook.keys == [str(taken.number)]
    assert left(care) == (0, 0)


def test_threat_killed_after_it_posted_is_posted_once_more_under_the_same_number(care, hook, monkeypatch):
    care.opened()

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("pgerase.operate.deliver.settle", die)
        with pytest.raises(Killed):
            deliver_due(care.register(), hooks(hook))
    assert left(care) == (1, 0)
    care.later()
    assert [attempt.answer.accepted for attempt in deliver_due(care.register(), hooks(hook))] == [True]
    care.later()
    assert deliver_due(care.register(), hooks(hook)) == ()
    assert len(hook.keys) == 2
    assert len(set(hook.keys)) == 1


def test_threat_a_process_killed_while_it_posts_loses_nothing(care, hook):
    care.opened()
    hook.hang.clear()
    command_line = [sys.executable, "-m", "pgerase", "deliver", "--dsn", care.database.dsn(), "--prefix", care.prefix]
    environment = {**os.environ, "CARE_WEBHOOK_URL": hook.url, "PYTHONPATH": os.pathsep.join(sys.path)}
    with subprocess.Popen(command_line, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert hook.arrived.wait(60)
        # While a message is on its way, nothing is locked and no transaction is open.
        assert care.as_secret("select count(*) from (select from P_internal.outbox for update nowait) as locked") == [
            (2,)
        ]
        process.send_signal(signal.SIGKILL)
        process.communicate()
    hook.hang.set()
    assert left(care) == (1, 0)
    care.later()
    assert len(deliver_due(care.register(), hooks(hook))) == 1
    assert left(care) == (0, 0)


def test_two_deliverers_post_every_message_once(care, hook):
    numbers = {care.opened() for _ in range(12)}
    barrier = Barrier(2)
    made: list[tuple[Attempt, ...]] = []

    def work(register) -> None:
        barrier.wait(10)
        made.append(deliver_due(register, hooks(hook)))

    threads = [Thread(target=work, args=[care.register()]) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sum(len(attempts) for attempts in made) == len(numbers) == len(hook.posted)
    assert len(set(hook.keys)) == len(numbers)
    assert left(care) == (0, 0)


def test_an_attempt_that_was_overtaken_changes_nothing_unless_it_arrived(care):
    care.opened()
    register = care.register()
    first = take(register, (Audience.CHANNEL,))
    care.later()
    second = take(register, (Audience.CHANNEL,))
    assert first is not None
    assert second is not None
    settle(register, Attempt(first, Answer(404)))
    settle(register, Attempt(first, Answer(None, Failure.TIMEOUT)))
    assert left(care) == (1, 0)
    assert care.as_secret("select last_status, last_failure from P_internal.outbox where kind = 'channel'") == [
        (None, None)
    ]
    # The first did arrive, as it turns out after all: what the second comes to is of no matter any more.
    settle(register, Attempt(first, Answer(200)))
    settle(register, Attempt(second, Answer(500)))
    assert left(care) == (0, 0)


# --- what the webhook answers ---


def waits(care: Care, answer: Answer) -> float:
    """Seconds until the only message for the channel is due again after this answer."""
    register = care.register()
    message = take(register, (Audience.CHANNEL,))
    assert message is not None
    ((before,),) = care.as_secret("select clock_timestamp()")
    settle(register, Attempt(message, answer))
    (((after), due),) = care.as_secret(
        "select clock_timestamp(), next_attempt_at from P_internal.outbox where kind = 'channel'"
    )
    care.later()
    assert due - after <= due - before
    return round((due - before).total_seconds() / 60) * 60


def test_failures_are_tried_again_after_twice_the_time_up_to_an_hour(care):
    care.opened()
    found = [waits(care, Answer(500)) for _ in range(9)]
    assert found == [60, 120, 240, 480, 960, 1920, 3600, 3600, 3600]
    assert waits(care, Answer(None, Failure.UNREACHABLE)) == 3600


def test_retry_after_is_honoured_up_to_a_day(care):
    care.opened()
    assert waits(care, Answer(429, retry_after=7200.0)) == 7200
    assert waits(care, Answer(503, retry_after=1.0)) == 120
    assert waits(care, Answer(429, retry_after=999_999_999.0)) == 86_400


def test_what_is_refused_for_good_is_kept_and_said_until_somebody_acts(care, hook, run):
    care.opened()
    hook.answers = [404, 200]
    code, out, err = run()
    assert (code, out.splitlines()[0]) == (1, "0 delivered, 1 not, 0 waiting, 1 refused for good")
    assert "refused for good (HTTP 404)" in err
    # A later run says it still, and does not post it.
    assert run()[0] == 1
    assert len(hook.posted) == 1
    code, out, err = run("--retry")
    assert (code, out) == (0, "1 delivered, 0 not, 0 waiting, 0 refused for good\n")
    assert len(hook.posted) == 2


def test_what_fails_for_now_is_said_and_waits(care, hook, run):
    care.opened()
    hook.answers = [500, 200]
    code, out, _ = run()
    assert (code, out.splitlines()[0]) == (1, "0 delivered, 1 not, 1 waiting, 0 refused for good")
    # Nothing is due, and yet somebody was not told.
    code, out, _ = run()
    first, second = out.splitlines()
    assert (code, first) == (1, "0 delivered, 0 not, 1 waiting, 0 refused for good")
    ((since,),) = care.as_secret(
        "select to_char(created_at, 'YYYY-MM-DD HH24:MI') from P_internal.outbox where kind = 'channel'"
    )
    assert second.startswith(f"1 of those that wait was tried in vain, the oldest is of {since}")
    care.later()
    assert run()[1] == "1 delivered, 0 not, 0 waiting, 0 refused for good\n"


def test_audit_status_alarms_of_what_is_not_delivered(care, hook, run, capfd):
    """S2, S4: who should have been told hours ago is nobody's secret, whether deliver fails or never runs."""

    def alarms() -> tuple[str, ...]:
        with Database.open(care.database.dsn()) as opened:
            return tuple(one for one in log_status(opened, care.prefix).alarms if "message" in one)

    care.opened()
    assert alarms() == ()
    care.as_secret("update P_internal.outbox set created_at = now() - interval '61 minutes'")
    ((since,),) = care.as_secret("select to_char(min(created_at), 'YYYY-MM-DD HH24:MI') from P_internal.outbox")
    # Nobody posts to persons here: they are told by the application.
    (alarm,) = alarms()
    assert alarm.startswith(f"1 message about support access not delivered, the oldest of {since}")
    capfd.readouterr()
    assert main(["audit", "status", "--dsn", care.database.dsn(), "--prefix", care.prefix]) == 1
    assert f"ALARM: {alarm}" in capfd.readouterr().out
    hook.answers = [404]
    run()
    (alarm,) = alarms()
    assert "1 message about support access refused for good, since 2" in alarm
    hook.answers = [200]
    run("--retry")
    assert alarms() == ()
    # Where persons were ever posted to, they count as well.
    care.as_secret("update P_internal.outbox set attempts = 1 where kind = 'person'")
    assert len(alarms()) == 1


def test_one_message_that_is_refused_stops_no_other(care, hook):
    for _ in range(3):
        care.opened()
    hook.answers = [400, 500, 200]
    assert [attempt.answer.status for attempt in deliver_due(care.register(), hooks(hook))] == [400, 500, 200]
    assert left(care) == (1, 1)
    assert retry_refused(care.register()) == 1
    assert left(care) == (2, 0)


def test_threat_a_webhook_that_hangs_blocks_nobody(care, hook):
    care.opened()
    hook.hang.clear()
    thread = Thread(target=deliver_due, args=[care.register(), hooks(hook)])
    thread.start()
    assert hook.arrived.wait(30)
    # Access is opened and closed, and others deliver, while the first message is stuck.
    grant = care.opened()
    care.happened(grant, "closed")
    with psycopg.connect(care.database.admin_dsn) as admin:
        open_ones = "select count(*) from pg_stat_activity where datname = current_database() and xact_start is not null and pid <> pg_backend_pid()"
        assert admin.execute(open_ones).fetchone() == (0,)
    other = take(care.register(), (Audience.CHANNEL,))
    assert other is not None
    hook.hang.set()
    thread.join(30)
    assert not thread.is_alive()


# --- secrets ---


def test_threat_what_the_other_side_says_is_not_kept(care, hook, run):
    care.opened()
    hook.answers = [500]
    _, out, err = run()
    kept = care.as_secret("select o::text from P_internal.outbox as o")
    assert "secret words" not in f"{kept} {out} {err}"


@pytest.mark.parametrize("address", ["", "http://10.9.8.7/s3cr3t-path", "https://hooks.example.org:x/s3cr3t-path"])
def test_threat_an_impossible_address_is_an_error_that_does_not_show_it(care, run, monkeypatch, address):
    care.opened()
    monkeypatch.setenv("CARE_WEBHOOK_URL", address)
    for options in ((), ("--debug",), ("--format", "json")):
        code, out, err = run(*options)
        assert code == 2
        assert "CARE_WEBHOOK_URL" in out + err
        for part in (SECRET, "10.9.8.7", "example"):
            assert part not in out + err
    assert left(care) == (1, 0)


def test_threat_the_address_is_in_nothing_the_command_says_or_keeps(care, run, monkeypatch):
    care.opened()
    monkeypatch.setenv("CARE_WEBHOOK_URL", f"http://127.0.0.1:9/{SECRET}")
    code, out, err = run("--debug", "--format", "json")
    assert code == 1
    assert json.loads(out)["attempts"][0]["failure"] == "unreachable"
    assert SECRET not in out + err
    assert SECRET not in str(care.as_secret("select o::text from P_internal.outbox as o"))


def test_the_variable_can_be_named_and_the_address_cannot_be_an_argument(care, hook, run, monkeypatch):
    care.opened()
    monkeypatch.delenv("CARE_WEBHOOK_URL")
    monkeypatch.setenv("OTHER", hook.url)
    assert run("--webhook-env", "OTHER")[0] == 0
    code, _, err = run("--webhook-env", hook.url)
    assert code == 2
    assert SECRET not in err


# --- going on for ever ---


def test_follow_delivers_what_comes_until_it_is_interrupted(care, hook, run, monkeypatch):
    class Interrupted:
        """Waits by opening another access; the third time somebody presses Ctrl-C."""

        times = 0

        def wait(self, seconds: float) -> bool:
            assert seconds == 0.5
            self.times += 1
            if self.times == 3:
                raise KeyboardInterrupt
            care.opened()
            return False

    monkeypatch.setattr(command, "Event", Interrupted)
    code, out, err = run("--follow", "--every", "0.5")
    assert code == 0
    assert "0 waiting" in out
    assert err.count("channel opened: delivered") == 2 == len(hook.posted)


def test_without_the_ledger_it_is_refused(databases, run, monkeypatch):
    empty = databases()
    assert main(["deliver", "--dsn", empty.dsn(), "--prefix", "pgerase"]) == 3
