"""Files that travel with the package are found, and a broken installation says so."""

from __future__ import annotations

from pathlib import Path

import pytest

from pgerase import resources
from pgerase.errors import InternalError

_CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["sql", "templates", "policies"])
def test_a_checkout_answers_with_its_own_folders(name: str):
    assert resources.folder(name) == _CHECKOUT / name


def test_a_missing_folder_is_named():
    with pytest.raises(InternalError, match="folder recipes is missing"):
        resources.folder("recipes")


def test_a_missing_file_is_named():
    with pytest.raises(InternalError, match=r"sql/catalog/no_such\.sql is missing"):
        resources.read_text("sql", "catalog", "no_such.sql")
