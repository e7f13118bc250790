import subprocess
import sys
from pathlib import Path

import pytest

from parley.core.errors import ParleyError
from parley.text.encoders import EncoderName, check_encoder, encoder_files, parse_encoder

# A process in which the extras are not installed.
WITHOUT_EXTRAS = """
import sys

class Blocked:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("sentence_transformers", "open_clip", "transformers", "timm"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Blocked())
"""


def run(code):
    done = subprocess.run([sys.executable, "-c", WITHOUT_EXTRAS + code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("encoder", "name", "path"),
    [
        ("sentence-transformers/all-MiniLM-L6-v2", ("sentence-transformers", "all-MiniLM-L6-v2"), None),
        ("sentence-transformers/BAAI/bge-small-en-v1.5", ("sentence-transformers", "BAAI/bge-small-en-v1.5"), None),
        ("sentence-transformers//data/tiny", ("sentence-transformers", "/data/tiny"), "/data/tiny"),
        ("sentence-transformers/../tiny", ("sentence-transformers", "../tiny"), "../tiny"),
        ("open_clip/ViT-B-32:laion2b_s34b_b79k", ("open_clip", "ViT-B-32", "laion2b_s34b_b79k"), None),
        ("open_clip/ViT-B-32:random", ("open_clip", "ViT-B-32", "random"), None),
        ("open_clip/ViT-B-32:weights/a.pt", ("open_clip", "ViT-B-32", "weights/a.pt"), "weights/a.pt"),
        ("open_clip/local-dir:models/a", ("open_clip", "local-dir:models/a"), "models/a"),
        ("open_clip/hf-hub:laion/a", ("open_clip", "hf-hub:laion/a"), None),
    ],
)
def test_names_are_split_and_paths_are_known(encoder, name, path):
    assert parse_encoder(encoder) == EncoderName(*name)
    assert parse_encoder(encoder).path == (Path(path) if path else None)


@pytest.mark.parametrize("encoder", ["glove", "sentence-transformers/", "open_clip/ViT-B-32", "open_clip/:random", ""])
def test_other_names_are_refused(encoder):
    with pytest.raises(ParleyError, match="it must be words, sentence-transformers/<name or folder> or open_clip/"):
        parse_encoder(encoder)


def test_a_folder_is_a_folder_even_if_its_name_is_short(tmp_path, monkeypatch):
    (tmp_path / "tiny/1_Pooling").mkdir(parents=True)
    for name in ("modules.json", "1_Pooling/config.json"):
        (tmp_path / "tiny" / name).write_text("{}")
    monkeypatch.chdir(tmp_path)
    assert encoder_files("sentence-transformers/tiny") == ["tiny/1_Pooling/config.json", "tiny/modules.json"]
    assert encoder_files("sentence-transformers/all-MiniLM-L6-v2") == []
    (tmp_path / "weights.pt").touch()
    assert encoder_files("open_clip/ViT-B-32:weights.pt") == ["weights.pt"]


def test_a_missing_folder_or_file_is_reported_before_anything_runs():
    for encoder in ("sentence-transformers//nowhere/tiny", "open_clip/ViT-B-32:/nowhere/tiny"):
        (finding,) = check_encoder(encoder, own_environments=True)
        assert finding == (
            f"Config: descriptions.encoder is {encoder}, but /nowhere/tiny does not exist; check the path."
        )


@pytest.mark.slow  # The library imports torch.
@pytest.mark.parametrize(
    ("encoder", "extra"),
    [("sentence-transformers/all-MiniLM-L6-v2", "sentence-transformers"), ("open_clip/ViT-B-32:random", "open-clip")],
)
def test_a_missing_extra_is_named_with_its_command(encoder, extra):
    code = f"""
from parley.core.errors import ParleyError
from parley.text.encode_descriptions import load_encoder
try:
    load_encoder({encoder!r})
except ParleyError as error:
    print(error)
"""
    package = encoder.partition("/")[0]
    expected = f"descriptions.encoder is {encoder}, but the package {package} is not installed; install it"
    assert run(code).startswith(f"{expected} (`uv sync --extra {extra}`, or `pip install ")
    checked = f"from parley.text.encoders import check_encoder; print(*check_encoder({encoder!r}))"
    installed = subprocess.run(
        [sys.executable, "-c", f"import importlib.util; importlib.util.find_spec = lambda name: None; {checked}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert installed.stdout == run(code)


@pytest.mark.slow  # The library imports torch.
def test_without_an_encoder_no_extra_is_imported():
    code = """
import yaml
from parley.config.experiment import read_experiment
from parley.config.rule_inputs import RuleValues
from parley.core.installation import PROJECT, SCHEMA

raw = yaml.safe_load((PROJECT / "config.yaml").read_text())
values = RuleValues(read_experiment(raw, SCHEMA))
assert not values.has_encoder
assert not {"torch", "numpy"} & sys.modules.keys()
import parley.training.loop, parley.evaluation.evaluate, parley.analysis.language, parley.text.embed_words
"""
    assert run(code) == ""
