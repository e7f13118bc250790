"""Parsers given damaged and hostile files: a sentence or a result, never anything else.

These are a few dozen examples a parser; `benchmarks/fuzz.py` tries as many as there is time for, under limits.
"""

import fuzz_targets
import pytest
from hypothesis import HealthCheck, given, settings
from mutations import damaged

from parley.errors import ParleyError


@pytest.mark.parametrize("name", fuzz_targets.BY_NAME)
def test_a_valid_file_is_read(name, tmp_path):
    target = fuzz_targets.BY_NAME[name]
    target.make(tmp_path / "file")
    target.read(tmp_path / "file")


@pytest.mark.parametrize("name", fuzz_targets.BY_NAME)
def test_a_damaged_file_is_read_or_refused_in_a_sentence(name, tmp_path):
    target = fuzz_targets.BY_NAME[name]
    path = tmp_path / "file"
    target.make(path)
    valid = path.read_bytes()

    @settings(max_examples=30, suppress_health_check=list(HealthCheck), database=None)
    @given(damaged(valid))
    def attempt(content):
        path.write_bytes(content)
        findings = ["none"]
        try:
            target.read(path)
        except ParleyError as error:
            findings = error.findings
        assert findings
        assert all(sentence.strip() for sentence in findings)

    attempt()
