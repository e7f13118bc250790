"""Plug-in files are loaded once, and errors in them are told with their file and line."""

import json
import re
from pathlib import Path

import made_languages
import numpy as np
import pytest
from easy_runs import run
from made_runs import Talk, write_messages

from parley.core.errors import ParleyError
from parley.dataset.class_set import ImageClass
from parley.dataset.sources import SourceOptions, open_source
from parley.evaluation.any_checkpoint import open_checkpoint
from parley.game.settings import GameSettings
from parley.metrics.conversations import read_conversations
from parley.metrics.plugin_metrics import measure_plugins
from parley.plugins import loading, registry
from parley.plugins.declared import read_plugins
from parley.plugins.loading import cause_of, load_plugins, loaded_files
from parley.plugins.recorded import load_plugins_of
from parley.report.figures.draw import draw_plugin
from parley.report.figures.results import RunResults
from parley.runtime.code_digest import Sources

HEAD = "from parley.plugins import channel, figure, image_source, metric\n"
CHANNEL = (
    "from parley.game import Channel\n@channel('loud')\nclass Loud(Channel):\n    def send(self, logits, noise): pass\n"
)


@pytest.fixture(autouse=True)
def alone(monkeypatch, tmp_path):
    """Start without loaded plug-ins, in an empty folder, and forget those of the test."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "_loaded", {})
    monkeypatch.setattr(loading, "_names", {})
    before = dict(registry.PLUGINS)
    registry.PLUGINS.clear()
    yield
    registry.PLUGINS.clear()
    registry.PLUGINS.update(before)


def load(text):
    Path("my_parts.py").write_text(HEAD + text)
    load_plugins(["my_parts.py"])


def test_a_file_is_run_again_only_if_its_content_changes():
    load("import pathlib\npathlib.Path('runs').open('a').write('x')\n")
    load_plugins(["my_parts.py"])
    assert Path("runs").read_text() == "x"
    load("import pathlib\npathlib.Path('runs').open('a').write('y')\n")
    assert Path("runs").read_text() == "xy"
    assert loaded_files() == ["my_parts.py"]


def test_an_error_while_loading_names_the_line():
    with pytest.raises(
        ParleyError, match=r"^my_parts.py, line 3: ZeroDivisionError: division by zero. This file is one"
    ):
        load("\n1 / 0\n")
    with pytest.raises(ParleyError, match=r"^my_parts.py, line 2: ModuleNotFoundError: No module named 'nowhere'"):
        load("import nowhere\n")


def test_a_class_that_only_loading_shows_to_be_wrong_is_refused():
    with pytest.raises(ParleyError, match=r"the channel 'loud' is not a subclass of parley.game.channel.Channel"):
        load("Channel = object\n@channel('loud')\nclass Loud(Channel): pass\n")
    with pytest.raises(ParleyError, match=r"the channel 'loud' lacks the method send"):
        load("from parley.game import Channel\n@channel('loud')\nclass Loud(Channel): pass\n")


def test_an_error_of_a_part_is_blamed_on_its_line_and_others_on_parley():
    load("@metric('bad')\ndef bad(conversations, generator):\n    return [][1]\n")
    with pytest.raises(IndexError) as error:
        registry.PLUGINS["metric"]["bad"].part(None, None)
    assert cause_of(error.value).startswith("my_parts.py, line 4, in bad: IndexError: list index out of range.")
    assert "defect of Parley or of its environment, or of the plug-in my_parts.py" in cause_of(KeyError("x"))


def test_a_run_whose_numbers_are_not_finite_names_its_parts_of_plugins(tmp_path):
    load("from parley.plugins import reward\n@reward('none')\n"
         "def nothing(scores, log_likelihood, targets): return log_likelihood * float('nan')\n")  # fmt: skip
    [*_, last] = run(tmp_path / "1", game=GameSettings(message_bits=6, max_exchanges=3, reward="none"))
    assert last["why"].endswith("standardize to train, or check the plug-in's reward none (my_parts.py).")


@pytest.fixture
def dialogues(tmp_path):
    language = made_languages.compositional()
    talks = [
        Talk(f"k{row}", int(label), [[9.0 * (one == label) for one in range(16)]], 1, sender=[list(message)])
        for row, (message, label) in enumerate(zip(language.messages.tolist(), language.classes, strict=True))
    ]
    path = tmp_path / "messages.hdf5"
    write_messages(path, talks, [f"class {label}" for label in range(16)], run="a", seed=1, bits=4)
    return read_conversations(path)


@pytest.mark.parametrize("value", ["1", "np.float32(1)", "np.array(1)", "True + 0"])
def test_a_metric_may_return_any_number(dialogues, value):
    load(f"import numpy as np\n@metric('m')\ndef m(conversations, generator): return {value}\n")
    found = {"measures": {}, "p": {}, "null": {}}
    measure_plugins(found, dialogues, 1)
    assert found["measures"] == {"m": 1.0}
    assert json.dumps(found)


@pytest.mark.parametrize("value", ["'1'", "float('nan')", "[1]", "1j"])
def test_other_values_of_a_metric_are_refused(dialogues, value):
    load(f"@metric('m')\ndef m(conversations, generator): return {value}\n")
    with pytest.raises(ParleyError, match=re.escape("The metric m returned")):
        measure_plugins({"measures": {}, "p": {}, "null": {}}, dialogues, 1)


def test_a_metric_gets_its_own_random_numbers_the_same_each_time(dialogues):
    load("@metric('a')\ndef a(conversations, generator): return generator.random()\n"
         "@metric('b')\ndef b(conversations, generator): return generator.random()\n")  # fmt: skip
    first, again = ({"measures": {}, "p": {}, "null": {}} for _ in range(2))
    measure_plugins(first, dialogues, 1)
    measure_plugins(again, dialogues, 1)
    assert first == again
    assert first["measures"]["a"] != first["measures"]["b"]


def test_low_values_are_better_if_the_metric_says_so(dialogues):
    load("import numpy as np\nfrom parley.metrics.permutation import against_null\n"
         "@metric('m', less_is_better=True)\ndef m(conversations, generator):\n"
         "    return against_null(0.0, np.arange(100.0), less_is_better=True)\n")  # fmt: skip
    found = {"measures": {}, "p": {}, "null": {}}
    measure_plugins(found, dialogues, 1)
    assert np.isclose(found["null"]["m"]["high"], np.quantile(np.arange(100.0), 0.05))


def test_a_figure_must_be_one_of_matplotlib():
    load("@figure('f')\ndef f(results): return 5\n")
    with pytest.raises(ParleyError, match=r"The figure f returned 5; it must return a matplotlib Figure"):
        draw_plugin("f", RunResults([], {}, None, None))


def test_addresses_of_an_image_source_must_be_pairs_of_texts():
    load("from parley.dataset.sources.base import EntrySource\n@image_source('mine', where='here')\n"
         "class Mine(EntrySource):\n    def check(self, classes): return []\n"
         "    def entries(self, classes): return [('lion', self.options.own['where']), ('lion', 1)]\n")  # fmt: skip
    source = open_source(SourceOptions("mine", own={}))
    entries = source.entries([ImageClass("lion", "", "in")])
    assert next(entries) == ("lion", "here")
    with pytest.raises(ParleyError, match=r"The image source mine yielded"):
        next(entries)


def recorded(parts):
    Path("results").mkdir(exist_ok=True)
    Path("results/config.json").write_text(json.dumps({"plugins": {"my_parts.py": parts}}))
    return load_plugins_of("results/config.json")


def test_recorded_plugins_are_loaded_and_what_changed_is_named(caplog):
    Path("my_parts.py").write_text(HEAD + CHANNEL)
    [(file, parts)] = recorded({"channel loud": "other"}).items()
    assert (file, list(parts)) == ("my_parts.py", ["channel loud"])
    assert "loud" in registry.PLUGINS["channel"]
    assert "Channel loud in my_parts.py was changed since the run was trained." in caplog.text
    caplog.clear()
    recorded(parts)
    assert "was changed" not in caplog.text


BASELINE = """
import torch
from parley.game import Baseline
from parley.plugins import baseline
@baseline('own')
class Own(Baseline):
    def __init__(self, setup):
        super().__init__(setup)
        self.register_buffer("mean", torch.zeros(len(setup.seeds)))
    def predict(self, inputs, reward, packed): return torch.zeros_like(reward)
"""


def test_a_checkpoint_whose_plugin_has_other_weights_since_says_to_undo_the_edit():
    load(BASELINE)
    folder = Path("results/e/runs/r/1")
    run(folder, game=GameSettings(message_bits=6, max_exchanges=3, baseline="own"))
    recorded = {"baseline own": read_plugins(["my_parts.py"], {}, Sources())[0][0].digest}
    (folder / "config.json").write_text(json.dumps({"plugins": {"my_parts.py": recorded}}))
    checkpoint = folder / "checkpoints/00000012.pt"
    Path("my_parts.py").write_text(BASELINE.replace('"mean"', '"average"'))
    with pytest.raises(ParleyError, match=r"12.pt does not fit my_parts.py, which was edited since .*; undo the edit"):
        open_checkpoint(checkpoint, "descriptions.csv", "words.hdf5")
    Path("my_parts.py").write_text(HEAD + BASELINE)
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    with pytest.raises(ParleyError, match=r"is not a valid checkpoint"):
        open_checkpoint(checkpoint, "descriptions.csv", "words.hdf5")


def test_a_recorded_plugin_that_is_missing_or_lacks_the_part_is_named():
    with pytest.raises(
        ParleyError, match=r"trained with the plug-in my_parts.py, which results/config.json names and which does"
    ):
        recorded({"channel loud": "x"})
    Path("my_parts.py").write_text(HEAD + CHANNEL)
    with pytest.raises(
        ParleyError, match=r"trained with channel quiet of my_parts.py, which the file no longer registers"
    ):
        recorded({"channel quiet": "x"})
    assert load_plugins_of("none.json") == {}
