"""A small history."""

import pytest
from made_history import small_history


@pytest.fixture
def history(tmp_path, monkeypatch):
    """The small history, in the working folder."""
    monkeypatch.chdir(tmp_path)
    small_history(tmp_path)
    return tmp_path
