"""docs/from-the-original.md: every flag of the 2017 code once, and every key that takes its place exists."""

import re
from collections import Counter
from pathlib import Path

from parley.config.schema import read_schema

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/from-the-original.md").read_text(encoding="utf-8")
COUNTS = {"model.py": 74, "utils/download_data.py": 21, "utils/package_data.py": 7}
ROW = re.compile(r"^\| `(\w+)` \|[^|]*\|([^|]+)\|$")


def rows():
    """Script, flag and what is here, of each row."""
    script = ""
    for line in PAGE.splitlines():
        if heading := re.match(r"#+ `([\w./]+)`", line):
            script = heading[1]
        if found := ROW.match(line):
            yield script, found[1], found[2]


def keys_of(schema, path=""):
    for name, part in schema.get("properties", {}).items():
        yield f"{path}{name}"
        yield from keys_of(part, f"{path}{name}.")
        yield from keys_of(part.get("items", {}), f"{path}{name}.")


def test_every_flag_has_one_row():
    found = [(script, flag) for script, flag, _ in rows()]
    assert len(set(found)) == len(found) == 102
    assert Counter(script for script, _ in found) == COUNTS


def test_no_row_of_a_table_escapes():
    written = [line for line in PAGE.splitlines() if line.startswith("| `")]
    assert len(written) == len(list(rows()))


def test_every_key_that_takes_a_flags_place_exists():
    known = set(keys_of(read_schema(ROOT / "workflow/schemas/config.schema.yaml")))
    sections = {key.split(".")[0] for key in known}
    # A key is written with its section, or is one of the top level; files and commands hold other characters.
    named = {key for _, _, here in rows() for key in re.findall(r"`([a-z_]+(?:\.[a-z_0-9]+)*)`", here)}
    keys = {key for key in named if key.split(".")[0] in sections}
    assert len(keys) > 50
    assert keys - known == set()


def test_flags_without_effect_or_broken_are_marked():
    marked = {flag: here for _, flag, here in rows() if "**" in here}
    assert {flag for flag, here in marked.items() if "did nothing" in here} == {"data_context", "block_y"}
    broke = {"images", "wv_type", "sender_out_dim", "rec_out_dim", "rec_s_dim", "use_binary", "binary_only", "resnet"}
    assert {flag for flag, here in marked.items() if "broke" in here} == broke
