"""Every rule says what it takes of a node."""

import json

import pytest

pytestmark = pytest.mark.slow

# At the end of a Snakefile, every rule is known.
TELL = """
import json
print("RULES", json.dumps({rule.name: sorted(rule.resources) for rule in workflow.rules if rule.script}))
"""
FILL_DISKS = {"draw_world", "fetch_images", "extract_features", "train_run"}
ON_GPUS = {"extract_features", "train_run"}


def asked(project):
    """What each rule with a script asks for, by name; shards of a stage are rules of their own."""
    told = project.snakemake("-n")
    (line,) = [line for line in told.splitlines() if line.startswith("RULES ")]
    return json.loads(line.removeprefix("RULES "))


def test_every_rule_requests_the_resources_it_needs(project):
    project.edit("Snakefile", TELL)
    rules = asked(project)
    assert len(rules) > 30
    assert [name for name, names in rules.items() if not {"mem_mb", "runtime"} <= set(names)] == []
    for resource, expected in (("disk_mb", FILL_DISKS), ("gpu", ON_GPUS)):
        assert {name.rstrip("_0123456789") for name, names in rules.items() if resource in names} == expected
