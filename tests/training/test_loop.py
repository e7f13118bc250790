"""Training learns, is reproducible, and writes the files that later stages need."""

import json
import os

import pytest
import torch
from easy_runs import TINY, easy, run, run_all

from parley.core.errors import ParleyError
from parley.game.settings import GameSettings, TrainingSettings
from parley.game.types import Descriptions, Images
from parley.interaction.split_data import Candidates, Part
from parley.training.checkpoint import load_checkpoint
from parley.training.loop import train_runs
from parley.training.trainer import Trainer
from parley.training.training_data import build_training_data


def weights(folder, step):
    agents = load_checkpoint(folder / f"checkpoints/{step:08d}.pt").agents
    return [parameter for network in agents for parameter in network.parameters()]


def test_a_seed_determines_the_run(tmp_path):
    torch.rand(3)
    one = run(tmp_path / "a")
    torch.rand(5)
    two, other = run(tmp_path / "b"), run(tmp_path / "c", seed=2)

    def without_time(rows):
        return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]

    assert without_time(one) == without_time(two)
    assert without_time(one) != without_time(other)
    for a, b in zip(weights(tmp_path / "a", 12), weights(tmp_path / "b", 12), strict=True):
        assert torch.equal(a, b)


def test_checkpoints_are_kept_from_first_checkpoint_on_and_are_complete(tmp_path):
    run(tmp_path, steps=14, first_checkpoint=8)
    kept = sorted(path.name for path in (tmp_path / "checkpoints").iterdir())
    assert kept == ["00000008.pt", "00000012.pt", "00000014.pt"]
    checkpoint = load_checkpoint(tmp_path / "checkpoints/00000012.pt")
    assert (checkpoint.step, checkpoint.seed, checkpoint.game) == (12, 1, TINY)
    assert checkpoint.optimiser["square_avg"].shape == (
        1,
        sum(p.numel() for network in checkpoint.agents for p in network.parameters()),
    )
    assert checkpoint.candidate_ids == [0, 1, 2, 3]


def test_features_are_standardised_by_the_train_split_alone(tmp_path):
    train, dev, candidates = easy()
    shifted = Part(Images(dev.images.features + 100), dev.targets, dev.keys)
    data = build_training_data(train, shifted, candidates, TINY)
    assert data.train_images.features.mean(0).abs().max() < 1e-5
    torch.testing.assert_close(data.train_images.features.std(0, correction=0), torch.ones(16))
    assert data.dev_images.features.mean() > 10
    raw = build_training_data(train, dev, candidates, GameSettings(standardize="none"))
    assert torch.equal(raw.train_images.features, train.images.features)


def test_a_constant_channel_becomes_zero_and_not_infinite():
    train, dev, candidates = easy()
    train.images.features[:, 3] = 7.0
    features = build_training_data(train, dev, candidates, TINY).train_images.features
    assert torch.all(features[:, 3] == 0)


@pytest.mark.parametrize(
    ("steps", "max_epochs", "last"),
    [(12, None, 12), (12, 3, 9), (12, 4, 12), (12, 5, 12), (1_000_000_000, 2, 6)],
)
def test_a_run_ends_after_its_steps_or_epochs_whichever_come_first(tmp_path, steps, max_epochs, last):
    rows = run(tmp_path, steps=steps, max_epochs=max_epochs)  # An epoch is 48 images in batches of 16.
    assert rows[-1]["step"] == last
    assert load_checkpoint(tmp_path / f"checkpoints/{last:08d}.pt").step == last


def test_schedules_end_with_the_epochs(tmp_path):
    one = run(tmp_path / "a", steps=9, learning_rate_schedule="cosine", entropy_schedule="linear")
    two = run(tmp_path / "b", steps=12, max_epochs=3, learning_rate_schedule="cosine", entropy_schedule="linear")
    assert [row["nll"] for row in one] == [row["nll"] for row in two]
    for a, b in zip(weights(tmp_path / "a", 9), weights(tmp_path / "b", 9), strict=True):
        assert torch.equal(a, b)


def test_training_batches_have_an_accuracy_at_k_of_their_own(tmp_path):
    plain, wide, narrow = run(tmp_path / "a"), run(tmp_path / "b", k=4), run(tmp_path / "c", k=1)
    trained = [[row for row in rows if row["kind"] == "train"] for rows in (plain, wide, narrow)]
    for two, four, one in zip(*trained, strict=True):
        assert four["accuracy@k"] == 1  # of four candidates
        assert one["accuracy@k"] == one["accuracy@1"] == two["accuracy@1"]
        assert two["accuracy@1"] <= two["accuracy@k"] <= 1
    assert any(row["accuracy@1"] < row["accuracy@k"] < 1 for row in trained[0])
    others = [[row for row in rows if row["kind"] == "dev"] for rows in (plain, wide)]
    assert [row["accuracy@k"] for row in others[0]] == [row["accuracy@k"] for row in others[1]]


def test_a_train_split_smaller_than_a_batch_is_an_error(tmp_path):
    with pytest.raises(ParleyError, match=r"48 images, fewer than a batch of 64"):
        run(tmp_path, batch_size=64)
    assert not (tmp_path / "metrics.jsonl").exists()


def test_a_run_that_diverges_fails_and_its_log_says_why(tmp_path, caplog):
    rows = run(tmp_path, steps=200, optimizer="SGD", learning_rate=1e30)
    *before, last = rows
    assert last["kind"] == "failed"
    assert last["step"] < 20
    assert last["why"].startswith(f"The loss of seed 1 is no longer finite at step {last['step']}; lower training")
    assert {row["kind"] for row in before} <= {"train", "dev"}
    assert last["why"] in caplog.messages
    assert (tmp_path / "checkpoints").is_dir()


def test_a_run_that_diverges_does_not_change_the_others(tmp_path, monkeypatch):
    alone = [tmp_path / "alone" / str(seed) for seed in (1, 2, 3)]
    plain = {"optimizer": "SGD", "learning_rate": 0.1}  # RMSprop would make full steps from rounding errors
    run_all(alone, 12, [1, 2, 3], **plain)
    learn = Trainer.train_step

    def spoilt(trainer, step, rows):
        counted = learn(trainer, step, rows)
        if step >= 6:
            for parameter in trainer.agents.sender.parameters():
                parameter.data[1] = torch.nan
            counted[:, 1] = torch.nan
        return counted

    monkeypatch.setattr(Trainer, "train_step", spoilt)
    beside = [tmp_path / "beside" / str(seed) for seed in (1, 2, 3)]
    run_all(beside, 12, [1, 2, 3], **plain)
    kept = [sorted(int(path.stem) for path in (folder / "checkpoints").iterdir()) for folder in beside]
    assert kept == [[4, 8, 12], [4], [4, 8, 12]]
    for index in (0, 2):
        # Not to the bit: dialogues of the failed run end elsewhere, and the rounding of sums depends on the batch.
        for one, other in zip(weights(beside[index], 12), weights(alone[index], 12), strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=0)
        kinds = [
            [json.loads(line)["kind"] for line in (runs[index] / "metrics.jsonl").read_text().splitlines()]
            for runs in (beside, alone)
        ]
        assert kinds[0] == kinds[1]
    last = json.loads((beside[1] / "metrics.jsonl").read_text().splitlines()[-1])
    assert (last["kind"], last["step"]) == ("failed", 6)


def test_a_run_with_dev_results_that_are_not_finite_fails(tmp_path, monkeypatch):
    """The last update before an evaluation may be the one that diverges, while its loss was still finite."""
    examine = Trainer.evaluate_dev

    def spoilt(trainer, *given):
        for parameter in trainer.agents.receiver.parameters():
            parameter.data[0] = torch.nan
        return examine(trainer, *given)

    monkeypatch.setattr(Trainer, "evaluate_dev", spoilt)
    last = run(tmp_path, steps=12, samples=2)[-1]
    assert (last["kind"], last["step"]) == ("failed", 4)
    assert last["why"].startswith("The dev result of seed 1 is no longer finite at step 4")


def test_a_dev_class_that_is_not_trained_on_is_an_error():
    train, dev, candidates = easy()
    stray = Part(dev.images, dev.targets + 1, dev.keys)
    with pytest.raises(ParleyError, match="label 4"):
        build_training_data(train, stray, candidates, TINY)


def test_a_label_without_a_description_is_an_error():
    train, dev, candidates = easy()
    few = Candidates(candidates.labels[:3], Descriptions(candidates.descriptions.vectors[:3]))
    with pytest.raises(ParleyError, match=r"label 3, but descriptions.csv describes the labels 0 to 2"):
        build_training_data(train, dev, few, TINY)


def test_a_k_above_the_number_of_classes_is_an_error():
    train, dev, candidates = easy()
    build_training_data(train, dev, candidates, TINY, k=4)
    with pytest.raises(ParleyError, match=r"k is 5, but the train split has 4 classes"):
        build_training_data(train, dev, candidates, TINY, k=5)


@pytest.mark.parametrize("damage", [b"", b"not a checkpoint", b"PK\x03\x04broken"])
def test_a_damaged_checkpoint_is_an_error(tmp_path, damage):
    path = tmp_path / "best.pt"
    path.write_bytes(damage)
    with pytest.raises(ParleyError, match="is not a valid checkpoint: "):
        load_checkpoint(path)


@pytest.mark.slow
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_thirty_easy_classes_are_learned_within_1200_steps(tmp_path, seed):
    """A sum over bits that keeps its dimension stays below 0.35 here; see the policy loss in parley.game.losses."""
    draw = torch.Generator().manual_seed(seed)
    prototypes = torch.randn(30, 512, generator=draw)
    targets = torch.arange(30).repeat_interleave(100)

    def part():
        features = torch.relu(prototypes[targets] + torch.randn(3000, 512, generator=draw))
        return Part(Images(features), targets, [str(row) for row in range(3000)])

    words = 0.4 * torch.randn(30, 9, 100, generator=draw)
    candidates = Candidates([str(label) for label in range(30)], Descriptions(words.mean(1)))
    game = GameSettings(preset="Fixed", max_exchanges=3, standardize="none")
    training = TrainingSettings(steps=1200, learning_rate=1e-3, dev_every=600, first_checkpoint=1200)
    train_runs(build_training_data(part(), part(), candidates, game), game, training, [seed], 6, [tmp_path])
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    last = [row for row in rows if row["kind"] == "dev"][-1]
    assert last["step"] == 1200
    assert last["accuracy@1"] >= 0.95


def test_sample_dialogues_are_written_to_the_log_at_each_evaluation(tmp_path, caplog):
    caplog.set_level("INFO", logger="parley.training.loop")
    run(tmp_path, steps=8, samples=2)
    shown = [record.getMessage() for record in caplog.records if record.getMessage().startswith("Dialogues of seed 1")]
    assert [text.splitlines()[0] for text in shown] == [
        "Dialogues of seed 1 at step 4:",
        "Dialogues of seed 1 at step 8:",
    ]
    dialogues = [text.split("\n", 1)[1].split("\n\n") for text in shown]
    assert [len(told) for told in dialogues] == [2, 2]
    # The same images each time, to see how their dialogues change.
    assert [told.split()[0] for told in dialogues[0]] == [told.split()[0] for told in dialogues[1]]
    assert all("of at most 3 exchanges" in told for told in dialogues[0])
    caplog.clear()
    run(tmp_path / "quiet", steps=8)
    assert not [record for record in caplog.records if "Dialogues" in record.getMessage()]


def test_code_in_a_checkpoint_is_not_run_and_the_error_does_not_advise_it(tmp_path):
    torch.save({"format": 2, "agents": os.getcwd}, tmp_path / "a.pt")
    with pytest.raises(ParleyError) as told:
        load_checkpoint(tmp_path / "a.pt")
    assert "or contains code or objects, which Parley never loads" in str(told.value)
    assert "weights_only" not in str(told.value)


def test_deterministic_algorithms_are_set_for_each_run(tmp_path):
    run(tmp_path / "a", deterministic=True)
    assert torch.are_deterministic_algorithms_enabled()
    run(tmp_path / "b")
    assert not torch.are_deterministic_algorithms_enabled()
    assert weights(tmp_path / "a", 12)[0].equal(weights(tmp_path / "b", 12)[0])


def test_progress_shows_accuracy_and_length(tmp_path, caplog):
    caplog.set_level("INFO", logger="parley.core.progress")
    rows = run(tmp_path)
    last = [row for row in rows if row["kind"] == "dev"][-1]
    told = caplog.records[-1].getMessage()
    assert told.startswith(f"train {tmp_path.parent.name}/1: 12 of 12 steps")
    assert told.endswith(f"dev accuracy@1 {last['accuracy@1']:.3f}, length {last['length']:.1f}")
