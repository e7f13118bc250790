"""Edited, damaged and foreign checkpoints are refused with the name of the wrong value."""

import copy

import pytest
import torch

from parley.core.errors import ParleyError
from parley.evaluation.any_checkpoint import open_checkpoint

NAN = float("nan")
WEIGHT = "speak.weight"


def value(name, new):
    return lambda values: values.update({name: new})


def setting(section, name, new):
    return lambda values: values[section].update({name: new})


def scale(index, change):
    def edit(values):
        pair = values["scales"][0]
        pair[index] = change(pair[index])

    return edit


def weights(change, agent="sender", name=WEIGHT):
    def edit(values):
        values["agents"][agent][name] = change(values["agents"][agent][name])

    return edit


def without(name):
    return lambda values: values.pop(name)


def without_weight(values):
    del values["agents"]["sender"][WEIGHT]


def with_weight(values):
    values["agents"]["sender"]["more"] = torch.zeros(1)


def with_agent(values):
    values["agents"]["third"] = {}


EDITS = [
    (setting("game", "max_exchanges", 10**6), "game.max_exchanges: 1000000 is greater than the maximum of 1000"),
    (setting("game", "max_exchanges", 0), "game.max_exchanges: 0 is less than the minimum of 1"),
    (setting("game", "max_exchanges", NAN), "game.max_exchanges is nan"),
    (
        setting("game", "message_bits", 5),
        r"agent sender does not fit its settings: it has the wrong shape for opening_code",
    ),
    (setting("game", "preset", ["Fixed"]), "game.preset is"),
    (setting("game", "more", 1), "the key game.more is unknown"),
    (setting("training", "dev_batch_size", 0), "training.dev_batch_size: 0 is less"),
    (setting("training", "dev_batch_size", -3), "training.dev_batch_size: -3 is less"),
    (setting("training", "steps", "a"), "training.steps is 'a'"),
    (value("game", None), "game is null"),
    (value("training", [1]), r"training is \[1\]"),
    (value("candidate_ids", "0123"), "`candidate_ids` is '0123', not a list of different label ids"),
    (value("candidate_ids", None), "`candidate_ids` is None"),
    (value("candidate_ids", torch.arange(4)), "`candidate_ids` is of type Tensor"),
    (value("candidate_ids", [0, 1, 1]), r"`candidate_ids` is \[0, 1, 1\]"),
    (value("candidate_ids", [0, True]), r"`candidate_ids` is \[0, True\]"),
    (value("candidate_ids", [-1, 10**30]), "`candidate_ids` is"),
    (value("candidate_ids", []), r"`candidate_ids` is \[\]"),
    (value("seed", "a"), "seed is 'a'"),
    (value("step", NAN), "`step` is nan, not a non-negative integer"),
    (value("step", None), "`step` is None"),
    (value("sizes", [1.0, 2.0, 3.0]), r"`sizes` is \[1.0, 2.0, 3.0\], not a list of three widths"),
    (value("sizes", [4, 4, 4]), r"scale of the features has the shapes \(16,\) and \(16,\), not \(4,\)"),
    (value("scales", None), "`scales` is None, not a list of three scales"),
    (value("scales", [None, None, None]), "`scales` is"),
    (value("scales", [1, 2, 3]), r"`scales` is \[1, 2, 3\]"),
    (scale(0, lambda mean: mean[:5]), r"scale of the features has the shapes \(5,\) and"),
    (scale(0, lambda mean: mean * NAN), "scale of the features is not finite"),
    (scale(0, lambda mean: mean.int()), "scale of the features is stored as torch.int32 and torch.float32"),
    (scale(1, lambda sd: sd.to(torch.complex64)), "as torch.float32 and torch.complex64, not as floats"),
    (scale(1, lambda sd: -sd), "has a standard deviation that is not above 0"),
    (scale(1, lambda sd: sd * 0), "has a standard deviation that is not above 0"),
    (value("agents", None), "`agents` is None, not a mapping"),
    (value("agents", {"sender": 1}), "`agents` is of type dict, not a mapping of tensors by agent"),
    (value("agents", {}), "it has no agent sender"),
    (with_agent, "it has an unknown agent third"),
    (without_weight, f"sender does not fit its settings: it lacks {WEIGHT}"),
    (with_weight, "it also has more"),
    (weights(lambda one: one[:, :2]), f"it has the wrong shape for {WEIGHT}"),
    (weights(lambda one: one.to(torch.int8)), rf"it does not store floats in {WEIGHT} \(int8\)"),
    (weights(lambda one: one > 0), rf"it does not store floats in {WEIGHT} \(bool\)"),
    (weights(lambda one: one.to(torch.complex64)), rf"it does not store floats in {WEIGHT} \(complex64\)"),
    (weights(lambda one: one.to("meta")), rf"it does not store floats in {WEIGHT} \(float32 without values\)"),
    (weights(lambda one: one.tolist()), "not a state dict of names and tensors"),
    (value("format", 1), "its format is 1, not 2"),
    *((without(name), f"it has no {name}") for name in ("game", "sizes", "candidate_ids", "step", "agents")),
    (without("format"), "Parley did not write it"),
]


@pytest.mark.parametrize(("edit", "told"), EDITS)
def test_names_the_damaged_value_of_an_edited_checkpoint(trained, tmp_path, edit, told):
    values = torch.load(trained.best, weights_only=True)
    values["scales"] = [one and list(one) for one in values["scales"]]
    edit(values)
    torch.save(values, tmp_path / "a.pt")
    with pytest.raises(
        ParleyError, match=f"a.pt is not a valid checkpoint: .*{told}.*; use an unmodified checkpoint from Parley"
    ):
        open_checkpoint(tmp_path / "a.pt", trained.text[1], trained.text[3])


@pytest.mark.parametrize(("agent", "name"), [("sender", WEIGHT), ("receiver", "stop.bias")])
@pytest.mark.parametrize("number", [NAN, float("inf")])
def test_weights_that_are_not_finite_are_refused(trained, tmp_path, agent, name, number):
    values = torch.load(trained.best, weights_only=True)
    values["agents"][agent][name][...] = number
    torch.save(values, tmp_path / "a.pt")
    with pytest.raises(ParleyError, match=rf"not finite \({agent}.{name}\): the run diverged"):
        open_checkpoint(tmp_path / "a.pt", trained.text[1], trained.text[3])


@pytest.mark.parametrize("kind", [torch.float16, torch.bfloat16, torch.float64])
def test_floats_of_any_precision_are_read(trained, tmp_path, kind):
    values = torch.load(trained.best, weights_only=True)
    before = copy.deepcopy(values["agents"]["sender"][WEIGHT])
    for state in values["agents"].values():
        state.update({name: one.to(kind) if one.is_floating_point() else one for name, one in state.items()})
    values["scales"] = [one and [each.to(kind) for each in one] for one in values["scales"]]
    torch.save(values, tmp_path / "a.pt")
    loaded = open_checkpoint(tmp_path / "a.pt", trained.text[1], trained.text[3]).checkpoint
    assert loaded.standardizer.features.mean.dtype == torch.float32
    torch.testing.assert_close(loaded.agents.sender.state_dict()[WEIGHT], before, rtol=0.01, atol=0.01)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (lambda whole: whole[:-100], r"it is cut off at byte \d+"),
        (lambda whole: whole[:100], "it is cut off at byte 100"),
        (lambda _: b"", "it is empty"),
        (lambda _: b"<!DOCTYPE html>", "it is an HTML page, such as a login or error page"),
        (lambda _: b"version https://git-lfs.github.com/spec/v1", "it is a Git LFS pointer"),
        (lambda _: b"hello", "it was not written by torch.save, or is damaged"),
        (lambda _: b"\x89HDF\r\n\x1a\n", "it is HDF5"),
    ],
)
def test_names_the_kind_of_a_file_that_is_not_a_checkpoint(trained, tmp_path, content, told):
    (tmp_path / "a.pt").write_bytes(content((trained.run / "best.pt").read_bytes()))
    with pytest.raises(
        ParleyError, match=f"a.pt is not a valid checkpoint: {told}; use an unmodified checkpoint from Parley"
    ):
        open_checkpoint(tmp_path / "a.pt", trained.text[1], trained.text[3])
