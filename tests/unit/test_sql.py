"""Nothing but one query leaves the compiler."""

from __future__ import annotations

import pytest

from pgerase.compile.sql import assert_expression, assert_query
from pgerase.errors import InternalError


@pytest.mark.parametrize(
    "query",
    [
        "select 1",
        "with a as (select 1) select * from a",
        """select '{"stmt":{' , '","stmt":[{"stmt":{' union values ('', '')""",
        " union ".join(["select 1"] * 2000),
    ],
)
def test_one_query_is_given_back(query: str):
    assert assert_query(query) == query


@pytest.mark.parametrize(
    "text",
    [
        "",
        "select 1; select 2",
        "select 1; drop table t",
        "delete from t returning 1",
        "with a as (select 1) delete from t",
    ],
)
def test_anything_else_is_a_bug(text: str):
    with pytest.raises(InternalError):
        assert_query(text)


@pytest.mark.parametrize("text", ["a) from t; drop table t; select (1", "a; select 2", "a b c", "'open"])
def test_what_is_no_expression_is_a_bug(text: str):
    with pytest.raises(InternalError):
        assert_expression(text)
