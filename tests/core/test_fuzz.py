"""Parsers given damaged and hostile files: a sentence or a result, never anything else.

These are a few dozen examples a parser; `benchmarks/fuzz.py` tries as many as there is time for, under limits.
"""

import copy

import fuzz_targets
import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import damaged

from parley.config.validation import resolve
from parley.core.errors import ParleyError


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


ODD_VALUES = st.recursive(
    st.one_of(
        *(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=8), st.dates()),
        st.sampled_from([10**40, "../../x", "/etc/passwd", "a\0b", "nul", float("nan"), "x" * 5000]),
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6) | st.integers(), inner, max_size=3),
    max_leaves=6,
)


def places(value, above=()):
    """Every place of a config: the keys and indices that lead to it."""
    yield above
    steps = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in steps:
        yield from places(inner, (*above, step))


@pytest.mark.slow
def test_any_value_anywhere_in_a_config_is_taken_or_refused_in_a_sentence():
    schema = fuzz_targets.schema()
    given_config = yaml.safe_load((fuzz_targets.ROOT / "config.yaml").read_text())
    complete = resolve(given_config, schema)
    known = [place for place in places({**complete, "claims": None}) if place]

    @settings(max_examples=60, suppress_health_check=list(HealthCheck), database=None)
    @given(st.sampled_from(known), ODD_VALUES)
    def attempt(place, value):
        config = copy.deepcopy({**complete, "claims": None})
        inner = config
        for step in place[:-1]:
            inner = inner[step]
        inner[place[-1]] = value
        findings = ["none"]
        try:
            resolve(config, schema)
        except ParleyError as error:
            findings = error.findings
        assert findings
        assert all(sentence.strip() for sentence in findings)

    attempt()
