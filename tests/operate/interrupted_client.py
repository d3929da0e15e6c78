"""A client that kills itself, without a word to anybody, before the statement of a given number: run by test_killed.py."""

from __future__ import annotations

import os
import signal
import sys

import pytest

from pgerase.database import Database
from pgerase.operate import Register, erase
from tests.operate.conftest import before_statement


def run(dsn: str, prefix: str, request: int, number: int) -> None:
    with (
        pytest.MonkeyPatch.context() as patch,
        before_statement(patch, number, lambda: os.kill(os.getpid(), signal.SIGKILL)),
        Database.open(dsn) as connection,
    ):
        erase(Register(connection, prefix), request, batch=2)


if __name__ == "__main__":
    dsn, prefix, request, number = sys.argv[1:]
    run(dsn, prefix, int(request), int(number))
