"""The checkpoint is chosen by dev results, the earliest of equals."""

import json

import pytest

from parley.checkpoint_choice import choose, select
from parley.errors import ParleyError
from parley.files import read_json


def dev(step, top, nll):
    values = {"accuracy@1": top / 2, "accuracy@k": top, "nll": nll, "length": 2.0}
    return {"kind": "dev", "step": step, **values}


ROWS = [{"kind": "train", "step": 10}, dev(10, 0.9, 3.0), dev(20, 0.5, 0.1), dev(30, 0.9, 0.2)]
FILES = ["00000010.pt", "00000020.pt", "00000030.pt"]


@pytest.mark.parametrize(("rule", "step"), [("accuracy@k", 10), ("accuracy@1", 10), ("nll", 20)])
def test_the_rule_decides_and_the_earliest_of_equals_wins(rule, step):
    chosen = choose(ROWS, FILES, rule)
    assert chosen["chosen"]["step"] == step
    assert [candidate["step"] for candidate in chosen["candidates"]] == [10, 20, 30]


def test_a_step_without_a_checkpoint_cannot_be_chosen():
    assert choose(ROWS, FILES[1:], "accuracy@k")["chosen"]["step"] == 30


def test_no_checkpoint_is_told():
    with pytest.raises(ParleyError, match="first_checkpoint"):
        choose(ROWS, [], "nll")


def test_best_is_a_copy_of_the_chosen(tmp_path):
    (tmp_path / "checkpoints").mkdir()
    for name in FILES:
        (tmp_path / "checkpoints" / name).write_bytes(name.encode())
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS))
    select(tmp_path, "nll")
    assert (tmp_path / "best.pt").read_bytes() == b"00000020.pt"
    assert read_json(tmp_path / "selection.json")["chosen"]["checkpoint"] == "00000020.pt"


def test_a_broken_log_is_told_by_its_line(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"kind": "dev"}\n{"ki')
    with pytest.raises(ParleyError, match="line 2"):
        select(tmp_path, "nll")
