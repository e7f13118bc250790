"""The checkpoint is chosen by its dev results, the earliest among equals."""

import json
from pathlib import Path

import pytest

from parley.config.schema import read_schema
from parley.core.errors import ParleyError
from parley.core.failures import FailedRunError, failure_in
from parley.core.files import read_json
from parley.training.checkpoint import load_checkpoint
from parley.training.checkpoint_selection import RULES, choose, select

ROOT = Path(__file__).parents[2]


def dev(step, top, nll, n=100):
    values = {"accuracy@1": top / 2, "accuracy@k": top, "nll": nll, "length": 2.0, "n": n}
    return {"kind": "dev", "step": step, **values}


def within_1se(hits, n):
    """Choose among checkpoints at the steps 1, 2, …, with the given numbers of hits in n dev images."""
    rows = [dev(step, count / n, 1.0, n) for step, count in enumerate(hits, start=1)]
    return choose(rows, [f"{step:08d}.pt" for step in range(1, len(hits) + 1)], "earliest_within_1se")


ROWS = [{"kind": "train", "step": 10}, dev(10, 0.9, 3.0), dev(20, 0.5, 0.1), dev(30, 0.9, 0.2)]
FILES = ["00000010.pt", "00000020.pt", "00000030.pt"]


@pytest.mark.parametrize(("rule", "step"), [("accuracy@k", 10), ("accuracy@1", 10), ("nll", 20)])
def test_the_rule_decides_and_the_earliest_among_equals_is_chosen(rule, step):
    chosen = choose(ROWS, FILES, rule)
    assert chosen["chosen"]["step"] == step
    assert [candidate["step"] for candidate in chosen["candidates"]] == [10, 20, 30]


@pytest.mark.parametrize(
    ("hits", "n", "step", "threshold"),
    [
        ([50, 54, 60, 58], 100, 3, 0.6 - 0.24**0.5 / 10),  # 0.551: 54 are too few
        ([50, 56, 60, 58], 100, 2, 0.6 - 0.24**0.5 / 10),
        ([56, 50, 60, 58], 100, 1, 0.6 - 0.24**0.5 / 10),  # the earliest, even with a worse one after it
        ([5600, 6000, 6000], 10000, 2, 0.6 - 0.24**0.5 / 100),  # more images, a smaller error
        ([18, 20], 25, 1, 0.72),  # exactly on the threshold
        ([17, 20], 25, 2, 0.72),
        ([9, 10, 10], 10, 2, 1.0),  # all hits, so the standard error is 0
        ([0, 0], 10, 1, 0.0),
        ([3], 10, 1, 0.3 - 0.021**0.5),
    ],
)
def test_the_earliest_within_one_standard_error_of_the_best(hits, n, step, threshold):
    chosen = within_1se(hits, n)
    assert chosen["chosen"]["step"] == step
    assert chosen["threshold"] == pytest.approx(threshold, abs=1e-12)
    assert chosen["rule"] == "earliest_within_1se"
    assert [candidate["accuracy@k"] for candidate in chosen["candidates"]] == [count / n for count in hits]
    assert {candidate["n"] for candidate in chosen["candidates"]} == {n}


def test_a_log_without_the_number_of_dev_images_is_an_error():
    rows = [{name: value for name, value in row.items() if name != "n"} for row in ROWS]
    assert choose(rows, FILES, "accuracy@k")["threshold"] is None
    with pytest.raises(ParleyError, match=r"step 10 in metrics.jsonl lacks `n`, the number of dev images"):
        choose(rows, FILES, "earliest_within_1se")


def test_the_schema_lists_the_rules():
    schema = read_schema(ROOT / "workflow/schemas/config.schema.yaml")
    assert schema["properties"]["selection"]["properties"]["rule"]["enum"] == list(RULES)


def test_a_step_without_a_checkpoint_cannot_be_chosen():
    assert choose(ROWS, FILES[1:], "accuracy@k")["chosen"]["step"] == 30


def test_no_checkpoint_is_an_error():
    with pytest.raises(ParleyError, match="remove the run"):
        choose(ROWS, [], "nll")


def test_best_is_a_copy_of_the_chosen(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    for name in FILES:
        (tmp_path / "checkpoints" / name).write_bytes(name.encode())
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    select(tmp_path, "nll")
    assert (tmp_path / "best.pt").read_bytes() == b"00000020.pt"
    assert read_json(tmp_path / "selection.json")["chosen"]["checkpoint"] == "00000020.pt"


def test_a_broken_log_is_an_error_with_its_line(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"kind": "train"}\n{"ki')
    with pytest.raises(ParleyError, match="line 2"):
        select(tmp_path, "nll")


def test_a_failed_run_has_no_selection_and_an_earlier_one_is_replaced(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints/00000010.pt").touch()
    for name in ("best.pt", "selection.json"):
        (tmp_path / name).write_text("of an earlier training")
    rows = [*ROWS[:2], {"kind": "failed", "step": 12, "why": "It diverged."}]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with pytest.raises(FailedRunError, match=r"The run failed in training: It diverged\."):
        select(tmp_path, "nll")
    assert [failure_in(tmp_path / name) for name in ("best.pt", "selection.json")] == ["It diverged."] * 2
    with pytest.raises(FailedRunError, match="It diverged"):
        load_checkpoint(tmp_path / "best.pt")
