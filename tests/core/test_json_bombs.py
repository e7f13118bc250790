"""JSON of any file that Parley reads: what would need a deep stack or minutes ends in a sentence within seconds."""

import json
import time
from contextlib import suppress

import fuzz_targets
import h5py
import pytest

from parley.config.overrides import parse_value
from parley.core.errors import ParleyError
from parley.core.failures import failed_runs
from parley.runtime.run_lock import _parse

BOMBS = {
    "nested lists": "[" * 200_000,
    "nested objects": '{"a":' * 200_000,
    "a number of 5,001 digits": '{"step": ' + "9" * 5_001 + "}",
    "700,000 keys": json.dumps(dict.fromkeys(map(str, range(700_000)), 1)),
    "an infinite number": '{"step": 1e999, "kind": "dev"}',
    "no object": "7",
    "nothing": "",
}
FILES = ("evaluation", "selection", "log", "run-config", "experiment-config", "summary", "funnel", "cache")
ATTRIBUTES = [("part", "classes"), ("messages", "labels"), ("messages", "candidate_ids")]


def read(name, path):
    """Read, and report what is wrong, if anything: what is only odd may be read."""
    began = time.monotonic()
    with suppress(ParleyError):
        fuzz_targets.BY_NAME[name].read(path)
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("bomb", BOMBS)
@pytest.mark.parametrize("name", FILES)
def test_a_file_is_read_or_refused_within_seconds(tmp_path, name, bomb):
    path = tmp_path / "file"
    path.write_text(BOMBS[bomb])
    read(name, path)


@pytest.mark.parametrize("bomb", [name for name in BOMBS if name != "700,000 keys"])
@pytest.mark.parametrize(("name", "attribute"), ATTRIBUTES)
def test_an_attribute_is_read_or_refused_within_seconds(tmp_path, name, attribute, bomb):
    path = tmp_path / "file"
    fuzz_targets.BY_NAME[name].make(path)
    with h5py.File(path, "r+") as file:
        file.attrs[attribute] = BOMBS[bomb][:60_000]  # Attributes hold 64 KiB.
    read(name, path)


@pytest.mark.parametrize("bomb", BOMBS)
def test_damaged_files_of_status_and_locks_are_ignored(tmp_path, bomb):
    (tmp_path / "metrics.jsonl").write_text(BOMBS[bomb])
    assert failed_runs([str(tmp_path / "metrics.jsonl")]) == {}
    assert isinstance(_parse(BOMBS[bomb].encode()), dict)


def test_settings_of_the_command_line_are_parsed_or_refused():
    for name in ("nested lists", "nested objects", "a number of 5,001 digits"):
        with pytest.raises(ValueError, match="invalid YAML"):
            parse_value(BOMBS[name], {"type": "array"})
