"""A small history to look into."""

import pytest
from made_history import small_history


@pytest.fixture
def history(tmp_path, monkeypatch):
    """Made in the working folder."""
    monkeypatch.chdir(tmp_path)
    small_history(tmp_path)
    return tmp_path
