"""Long runs are for `make test-long`: without a mark expression they are left out."""

from __future__ import annotations

from pathlib import Path

import pytest

_HERE = Path(__file__).parent


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect what takes minutes, unless marks were asked for."""
    if config.option.markexpr:
        return
    long = [item for item in items if item.get_closest_marker("long") and _HERE in item.path.parents]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if item not in long]
