"""`parley train`: a run's config.json with some values changed."""

import json

import pytest
import torch

from parley.cli.main import main
from parley.core.errors import ParleyError
from parley.training.checkpoint import load_checkpoint, read_values


def call(trained, out, *more):
    return [
        "train",
        "--config",
        str(trained.run / "config.json"),
        "--train",
        trained.part("train"),
        "--dev",
        trained.part("test"),
        *trained.text,
        "--out",
        str(out),
        *more,
    ]


def test_the_same_config_gives_the_same_run(trained, tmp_path):
    assert main(call(trained, tmp_path / "again")) == 0
    # The order of keys is the schema's, whatever it was.
    configs = [json.loads((folder / "config.json").read_text()) for folder in (tmp_path / "again", trained.run)]
    assert configs[0] == configs[1]
    assert (tmp_path / "again/selection.json").read_bytes() == (trained.run / "selection.json").read_bytes()
    one, two = (load_checkpoint(folder / "best.pt") for folder in (trained.run, tmp_path / "again"))
    for a, b in zip(one.agents, two.agents, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a.parameters(), b.parameters(), strict=True))


def test_settings_without_effect_are_not_stored(trained, tmp_path):
    assert main(call(trained, tmp_path / "out", "--set", "training.cuda_graphs=false")) == 0
    files = [folder / name for folder in (tmp_path / "out", trained.run) for name in ("config.json", "best.pt")]
    config, best, its_config, its_best = files
    assert json.loads(config.read_text()) == json.loads(its_config.read_text())
    assert best.read_bytes() == its_best.read_bytes()
    assert "cuda_graphs" not in read_values(best)["training"]


def test_overridden_values_and_the_seed_are_used(trained, tmp_path):
    more = ["--set", "game.message_bits=5", "training.steps=12", "--set", "training.learning_rate=1e-4", "--seed", "3"]
    assert main(call(trained, tmp_path / "out", *more)) == 0
    config = json.loads((tmp_path / "out/config.json").read_text())
    assert (config["seed"], config["game"]["message_bits"], config["training"]["steps"]) == (3, 5, 12)
    assert config["training"]["learning_rate"] == 1e-4
    checkpoint = load_checkpoint(tmp_path / "out/best.pt")
    assert (checkpoint.seed, checkpoint.game.message_bits) == (3, 5)
    assert checkpoint.step in (10, 12)


def test_a_diverged_run_and_its_checkpoint_are_reported(trained, tmp_path, refused):
    lost = ["--set", "training.optimizer=SGD", "training.learning_rate=1e30"]
    *_, told = refused(*call(trained, tmp_path / "out", *lost))
    assert told.startswith("The run failed in training: The loss of seed")
    with pytest.raises(ParleyError, match="is no longer finite at step"):
        load_checkpoint(tmp_path / "out/best.pt")


def test_all_errors_are_reported_at_once(trained, tmp_path, refused):
    wrong = ["game.mesage_bits=16", "training.steps=many", "game.mix=stir", "k", "seed=-1"]
    told = refused(*call(trained, tmp_path / "out", "--set", *wrong))
    assert len(told) == 5
    for part in ("did you mean message_bits?", "training.steps is 'many'", "game.mix is 'stir'", "--set k:", "seed"):
        assert any(part in sentence for sentence in told)
    assert not (tmp_path / "out").exists()


def test_a_finished_run_is_not_replaced_unasked(trained, tmp_path, refused):
    (told,) = refused(*call(trained, trained.run))
    assert "contains a finished run" in told
    out = tmp_path / "out"
    steps = ["--set", "training.steps=12"]
    assert main(call(trained, out, *steps)) == 0
    assert main(call(trained, out, *steps, "--overwrite")) == 0


def test_missing_file_error(trained, tmp_path, refused):
    arguments = call(trained, tmp_path / "out")
    arguments[2] = tmp_path / "none.json"
    assert refused(*arguments) == [f"{tmp_path / 'none.json'} does not exist; check the path."]


@pytest.mark.parametrize("content", ["experiment: world\n", "[]", '{"k": 1}', '{"game": 3, "training": {}}'])
def test_another_kind_of_config_is_reported(trained, tmp_path, refused, content):
    (tmp_path / "config.json").write_text(content)
    arguments = call(trained, tmp_path / "out")
    arguments[2] = tmp_path / "config.json"
    assert refused(*arguments)


def test_a_train_split_with_too_few_images_is_reported(trained, tmp_path, refused):
    (told,) = refused(*call(trained, tmp_path / "out", "--set", "training.batch_size=64"))[-1:]
    assert "fewer than a batch of 64" in told
