"""Erasing: exact counts, what goes wrong stays with whom it concerns, and a second time changes nothing."""

from __future__ import annotations

import json

import pytest

from pgerase.errors import DatabaseFailed, Refused, UsageError
from pgerase.operate import (
    Failure,
    Progress,
    dry_run,
    erase,
    open_request,
    read_request,
    rehearse,
    retry_request,
    status,
)
from tests.operate.conftest import expected, found, keys


def test_dry_run_and_run_have_the_counts_of_the_data(register, shop) -> None:
    before = shop.application()
    people = range(1, 301)
    request = open_request(register, "person", keys(people))
    planned = dry_run(register, request.number)
    assert found(planned.counts) == expected(people)
    assert shop.application() == before
    done = erase(register, request.number)
    assert found(done.counts) == expected(people)
    assert (done.request.done, done.request.pending, done.failures) == (300, 0, ())
    assert shop.rows("select count(*) from shop.person where status = 'ERASED'") == [(300,)]
    assert shop.rows("select count(*), min(author_id) from shop.note") == [(150, 301)]
    after = shop.application()
    assert after["invoice"] == before["invoice"]
    assert after["person"][300:] == before["person"][300:]


def test_rehearsal_keeps_nothing(register, shop) -> None:
    before = shop.application()
    assert found(rehearse(register, "person", keys(range(1, 8)), batch=3).counts) == expected(range(1, 8))
    assert shop.application() == before
    for table in ("request", "request_person", "request_count", "erased_person"):
        assert shop.rows(f"select * from {{i}}.{table}") == []
    with pytest.raises(Refused, match="belong to nobody"):
        rehearse(register, "person", ["9999"])


def test_progress_is_told_after_every_batch(register) -> None:
    seen: list[Progress] = []
    request = open_request(register, "person", keys(range(1, 301)))
    erase(register, request.number, batch=120, progress=seen.append)
    assert seen == [Progress(done, 0, 300) for done in (0, 120, 240, 300)]


def test_erasing_twice_changes_nothing(register, shop) -> None:
    people = keys(range(1, 11))
    first = erase(register, open_request(register, "person", people).number)
    after = shop.application()
    tokens = shop.rows("select key, token from {i}.erased_person order by key")
    request = open_request(register, "person", people)
    planned = dry_run(register, request.number)
    again = erase(register, request.number)
    assert found(again.counts) == {("shop.invoice", "keep"): (10, 10)} == found(planned.counts)
    assert shop.application() == after
    assert shop.rows("select key, token from {i}.erased_person order by key") == tokens
    assert first.request.number != again.request.number
    # The same request once more: nobody is pending, so nothing happens at all.
    assert erase(register, request.number) == again


def test_tokens_are_random_and_one_a_person(register, shop) -> None:
    erase(register, open_request(register, "person", keys(range(1, 101))).number)
    rows = shop.rows("select e.token, p.email from {i}.erased_person e join shop.person p on p.person_id::text = e.key")
    assert len({token for token, _ in rows}) == 100
    assert all(email == f"erased+{token}@erased.invalid" for token, email in rows)
    # 2600 draws of 36 characters: all of them occur, none a third of the time.
    text = "".join(token for token, _ in rows)
    assert set(text) == set("abcdefghijklmnopqrstuvwxyz0123456789")
    assert max(text.count(letter) for letter in set(text)) < 150


def test_count_that_differs_rolls_back_that_person_only(register, shop) -> None:
    people = range(1, 21)
    request = open_request(register, "person", keys(people))
    dry_run(register, request.number)
    shop.owner.execute("insert into shop.note values (7001, 7, 'written after the dry run')")
    shop.owner.execute("delete from shop.ticket where owner_id = 11")
    done = erase(register, request.number, batch=8)
    assert done.failures == (Failure("11", "ZE101", "shop.ticket", ""), Failure("7", "ZE101", "shop.note", ""))
    assert found(done.counts) == expected([n for n in people if n not in {7, 11}])
    assert shop.rows("select name, status from shop.person where person_id in (7, 11) order by 1") == [
        ("Secret Name 11", "ACTIVE"),
        ("Secret Name 7", "ACTIVE"),
    ]
    assert shop.rows("select count(*) from shop.note where author_id = 7") == [(4,)]
    # A failed person stays out until somebody says otherwise; then a new dry run agrees with the data.
    assert erase(register, request.number) == done
    assert retry_request(register, request.number) == 2
    assert found(dry_run(register, request.number).counts) == {
        ("shop.invoice", "keep"): (2, 2),
        ("shop.note", "delete"): (2, 7),
        ("shop.person", "change"): (2, 2),
        ("shop.ticket", "unlink"): (1, 1),
    }
    assert erase(register, request.number).request.done == 20


def test_without_a_plan_nothing_is_compared(register, shop) -> None:
    request = open_request(register, "person", ["7"])
    shop.owner.execute("insert into shop.note values (7001, 7, 'one more')")
    assert ("shop.note", "delete") in found(erase(register, request.number).counts)


def test_dry_run_again_replaces_the_plan(register, shop) -> None:
    request = open_request(register, "person", ["7"])
    dry_run(register, request.number)
    shop.owner.execute("delete from shop.note where author_id = 7")
    assert ("shop.note", "delete") in found(dry_run(register, request.number, again=False).counts)
    assert ("shop.note", "delete") not in found(dry_run(register, request.number).counts)
    assert erase(register, request.number).failures == ()


def test_plan_from_before_another_request_erased_the_person_is_void(register, shop) -> None:
    first, second = (open_request(register, "person", ["7"]) for _ in range(2))
    dry_run(register, first.number)
    dry_run(register, second.number)
    assert found(erase(register, first.number).counts) == expected([7])
    assert found(erase(register, second.number).counts) == {("shop.invoice", "keep"): (1, 1)}
    assert shop.rows("select count(*), min(request_id) from {i}.erased_person") == [(1, second.number)]


def test_person_who_fails_alone_is_set_aside_by_names_only(register, shop) -> None:
    shop.owner.execute(
        "alter table shop.person add constraint unlucky check (person_id not in (13, 14) or name <> 'Deleted')"
    )
    people = range(1, 31)
    request = open_request(register, "person", keys(people))
    done = erase(register, request.number, batch=30)
    assert done.failures == tuple(Failure(key, "23514", "shop.person", "unlucky") for key in ("13", "14"))
    assert found(done.counts) == expected([n for n in people if n not in {13, 14}])
    assert (done.request.done, done.request.failed) == (28, 2)
    assert shop.rows("select count(*) from {i}.erased_person where key in ('13', '14')") == [(0,)]
    shop.owner.execute("alter table shop.person drop constraint unlucky")
    assert retry_request(register, request.number) == 2
    assert found(erase(register, request.number).counts) == expected(people)


def test_deferred_constraint_fails_the_person_and_not_the_commit(register, shop) -> None:
    shop.as_admin("""
        create function shop.refuse() returns trigger language plpgsql as
            $$begin raise exception 'no: %', old.email using errcode = 'P0042'; end$$;
        create constraint trigger late after update on shop.person deferrable initially deferred
            for each row when (old.person_id = 5) execute function shop.refuse();
    """)
    done = erase(register, open_request(register, "person", keys(range(1, 11))).number)
    assert done.failures == (Failure("5", "P0042", "", ""),)
    assert done.request.done == 9


def test_who_cannot_be_counted_fails_in_the_dry_run(register, shop) -> None:
    shop.as_admin(f"""
        create or replace function {shop.names.erasers}.count_person(p_keys text[], p_tokens text[], p_erased boolean[])
            returns table (person text, relation text, strategy text, hits bigint)
            language sql stable security definer
        begin atomic
            select key, 'shop.person', 'change', (1 / (key::int - 3))::bigint + 1 from unnest(p_keys) as key;
        end;
    """)
    request = open_request(register, "person", keys(range(1, 8)))
    planned = dry_run(register, request.number)
    assert planned.failures == (Failure("3", "22012", "", ""),)
    assert planned.request.pending == 6


@pytest.mark.parametrize("state", ["ZE102", "ZE103"])
def test_what_concerns_everybody_stops_and_fails_nobody(register, shop, state) -> None:
    shop.as_admin(f"""
        create or replace function {shop.names.erasers}.erase_person(p_keys text[], p_tokens text[], p_erased boolean[])
            returns table (person text, relation text, strategy text, hits bigint) language plpgsql security definer as
        $$begin raise exception 'the eraser is not blind on shop.person' using errcode = '{state}', hint = 'Apply again.'; end$$;
    """)
    request = open_request(register, "person", keys(range(1, 8)))
    with pytest.raises(Refused, match=r"not blind on shop\.person") as refusal:
        erase(register, request.number)
    assert refusal.value.hint == "Apply again."
    assert read_request(register, request.number).pending == 7


def test_last_super_admin_fails_and_the_others_go(register, shop) -> None:
    shop.as_admin("""
        create function shop.keep_one() returns trigger language plpgsql as $$
        begin
            if (select count(*) from shop.person where person_id in (1, 2) and status <> 'ERASED') = 0 then
                raise exception 'the last one' using errcode = 'ZE104';
            end if;
            return null;
        end$$;
        create trigger keep_one after update on shop.person for each statement execute function shop.keep_one();
    """)
    done = erase(register, open_request(register, "person", keys(range(1, 11))).number)
    assert (done.request.done, [(f.key, f.sqlstate) for f in done.failures]) == (9, [("2", "ZE104")])


def test_errors_show_no_values(register, shop) -> None:
    shop.owner.execute("alter table shop.person add constraint unlucky check (name <> 'Deleted')")
    request = open_request(register, "person", ["1"])
    with pytest.raises(DatabaseFailed) as failure:
        register.call("erase_people", request.number, ["1"])
    error = failure.value
    assert (error.sqlstate, error.relation, error.constraint) == ("23514", "shop.person", "unlucky")
    assert error.__suppress_context__
    for text in (error.message, error.hint):
        assert "Deleted" not in text
        assert "erased" not in text
        assert "@" not in text
    with pytest.raises(DatabaseFailed, match=r"SQLSTATE 23514, table shop\.person, constraint unlucky"):
        register.call("erase_people", request.number, ["1"])


HOSTILE = [
    "'", '"', "\\", "\\'", "$$", "$1", "%s", "%(number)s", "{}", "{a,b}", "NULL", "null", "a\nb", "a\tb", " a ",
    "; drop table shop.member; --", "ü漢字\U0001f600", "\u202e", "x" * 900, "‘’", "E'\\000'", "[1, 2]", ",", '["a"]',
]  # fmt: skip


def test_hostile_keys_mean_themselves(register, shop) -> None:
    rows = [(tenant, f"nick {number}") for number, tenant in enumerate(HOSTILE)]
    with shop.owner.cursor() as cursor:
        cursor.executemany("insert into shop.member values (%s, %s, 'bio')", [*rows, ("stays", "here")])
    people = [json.dumps(list(row), ensure_ascii=False) for row in rows]
    request = open_request(register, "member", people)
    assert request.people == len(HOSTILE)
    assert found(dry_run(register, request.number).counts) == {("shop.member", "delete"): (len(HOSTILE), len(HOSTILE))}
    done = erase(register, request.number, batch=5)
    assert (done.request.done, done.failures) == (len(HOSTILE), ())
    assert shop.rows("select tenant, nick from shop.member") == [("stays", "here")]
    assert {person.state.value for person in status(register, "member", people)} == {"erased"}


@pytest.mark.parametrize("batch", [0, -1, 10_001])
def test_impossible_batch_is_refused(register, batch) -> None:
    request = open_request(register, "person", ["1"])
    for act in (dry_run, erase):
        with pytest.raises(UsageError, match="a batch is between"):
            act(register, request.number, batch=batch)


def test_erasing_inside_a_transaction_is_refused(register) -> None:
    request = open_request(register, "person", ["1"])
    with pytest.raises(UsageError, match="transaction of its own"), register.database.transaction():
        erase(register, request.number)


def test_settings_of_the_operator_do_not_matter(own_shop) -> None:
    shop = own_shop
    owner = shop.database.owner
    shop.as_admin(f"alter role {owner} set default_transaction_isolation = 'serializable'")
    shop.as_admin(f"alter role {owner} set search_path = 'evil, public'")
    register = shop.register()
    request = open_request(register, "person", keys(range(1, 21)))
    dry_run(register, request.number)
    assert found(erase(register, request.number, batch=7).counts) == expected(range(1, 21))
