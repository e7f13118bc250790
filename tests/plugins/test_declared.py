"""Plug-in files are read without being run: their parts, what is wrong with them, and what counts in their digests."""

import re
from pathlib import Path

import pytest
import yaml

from parley.config.experiment import read_experiment
from parley.config.plugin_parts import OWN
from parley.core.errors import ParleyError
from parley.core.installation import SCHEMA
from parley.dataset.sources import KINDS as SOURCE_KINDS
from parley.game.agents import BASELINES
from parley.game.channel import CHANNELS
from parley.game.losses import REWARDS
from parley.metrics.registry import UNITS
from parley.plugins.declared import read_plugins
from parley.report.figures.registry import OVERVIEW, RUN_FIGURES
from parley.runtime.code_digest import Sources
from parley.training.training_data import AUGMENTATIONS

PARTS = '''
"""Parts of my own."""

import numpy as np

from parley.game import Channel, Message
from parley.metrics.permutation import against_null
from parley.plugins import channel, figure, metric

SCALE = 2.0


def mean(values):
    return values.mean()


@metric("ones", unit="fraction", report_row=3)
def ones(conversations, generator):
    """Return the fraction of ones."""
    return mean(conversations.final_messages)


@figure("stops", title="Stops")
def stops(part):
    return None


class Shared(Channel):
    """A base."""


@channel("noisy", noise_sd=2.0)
class Noisy(Shared):
    """A channel."""

    def send(self, logits, noise):
        return Message(logits * SCALE, logits)


if __name__ == "__main__":
    ones(None, None)
'''


@pytest.fixture
def write(tmp_path, monkeypatch):
    """Write a plug-in file, `my_parts.py`, in the working folder."""
    monkeypatch.chdir(tmp_path)
    return lambda text: Path("my_parts.py").write_text(text)


def read():
    return read_plugins(["my_parts.py"], OWN, Sources())


def digests(write, text=PARTS):
    write(text)
    parts, findings = read()
    assert findings == []
    return {part.label: part.digest for part in parts}


def test_parts_are_found_with_their_options_and_lines(write):
    write(PARTS)
    parts, findings = read()
    assert findings == []
    assert [(part.kind, part.name, part.options) for part in parts] == [
        ("metric", "ones", {"unit": "fraction", "report_row": 3}),
        ("figure", "stops", {"title": "Stops"}),
        ("channel", "noisy", {"noise_sd": 2.0}),
    ]
    assert PARTS.splitlines()[parts[0].line - 1].startswith("@metric")


@pytest.mark.parametrize(
    ("before", "after", "changed"),
    [
        ("return mean(conversations", "return 1 - mean(conversations", ["metric ones"]),
        ("values.mean()", "values.max()", ["metric ones"]),
        ("report_row=3", "report_row=4", ["metric ones"]),
        ("return None", "return 1", ["figure stops"]),
        ("SCALE = 2.0", "SCALE = 3.0", ["channel noisy"]),
        ("noise_sd=2.0", "noise_sd=1.0", ["channel noisy"]),
        ('    """A base."""', "    discrete = False", ["channel noisy"]),
        ("SCALE = 2.0", "SCALE = 2.0\nSCALE += 1", ["channel noisy"]),
        ("SCALE = 2.0", "SCALE = 2.0\nnp.seterr(all='raise')", ["metric ones", "figure stops", "channel noisy"]),
        ("ones(None, None)", "print(ones(None, None))", []),
        ('"""Return the fraction of ones."""', '"""Ones."""  # A comment', []),
        ("SCALE = 2.0\n", "SCALE = 2.0\nUNUSED = 1\n\n\n", []),
        ("import numpy as np\n", "import numpy as np\nimport scipy\n", []),
    ],
)
def test_an_edit_changes_the_digests_of_the_parts_that_it_affects(write, before, after, changed):
    assert before in PARTS
    old, new = digests(write), digests(write, PARTS.replace(before, after))
    assert [label for label in old if old[label] != new[label]] == changed


def test_modules_of_parley_that_a_part_imports_count(write):
    imports = PARTS.replace(
        "    return mean(conversations", "    against_null(1.0, np.ones(2))\n    return mean(conversations"
    )
    before = digests(write, imports)["metric ones"]
    other = imports.replace("from parley.metrics.permutation import", "from parley.metrics.statistics import")
    assert digests(write, other.replace("against_null", "t_interval"))["metric ones"] != before


WRONG = [
    ("@metric('m')\ndef m(dialogues):\n    pass", r"line 2: the metric 'm' has the parameters \(dialogues\). Expected: "
     r"`def m\(conversations, generator\)`; docs/extending.md has an example"),
    ("@metric('m')\ndef m(generator, conversations):\n    pass", r"Expected: `def m\(conversations, generator\)`"),
    ("@metric('m')\ndef m(conversations, generator, a):\n    pass", r"Expected: `def m\(conversations, generator\)`"),
    ("@metric('m')\nclass M:\n    pass", r"the metric 'm' is a class. Expected: a function"),
    ("@metric('m', units='bits')\ndef m(conversations, generator): pass", r"no argument 'units'; did you mean unit\?"),
    ("@metric('m', report_row='3')\ndef m(conversations, generator): pass", r"report_row is '3', but .* type int"),
    ("@figure('f')\ndef f(): pass", r"Expected: `def f\(part\)` or `def f\(results\)`"),
    ("@figure\ndef f(part): pass", r"write `@figure\(\"f\"\)`"),
    ("NAME = 'm'\n@metric(NAME)\ndef m(conversations, generator): pass",
     r"line 3: the name is `NAME`, but it must be a text"),
    ("@metric('a b')\ndef m(conversations, generator): pass", r"the name 'a b' may contain only"),
    ("@metric('dead_bits')\ndef m(conversations, generator): pass", r"Parley has a metric 'dead_bits' itself"),
    ("@metric('m')\ndef a(conversations, generator): pass\n@metric('m')\ndef b(conversations, generator): pass",
     r"line 4: the metric 'm' is also registered in my_parts.py, line 2"),
    ("@channel('c')\nclass C: pass", r"not a subclass of Channel. Expected: `class C\(Channel\)`, with `from "
     r"parley.game.channel import Channel`, and the method `send\(self, logits, noise\)`"),
    ("@channel('c')\nclass C(Channel): pass", r"the channel 'c' lacks the method `send`"),
    ("@channel('c')\nclass C(Channel):\n    def send(self, x): pass", r"has the method `send\(self, x\)`"),
    ("@channel('c')\nclass C(Channel):\n    def __init__(self): pass\n    def send(self, logits, noise): pass",
     r"the channel 'c' has the method `__init__\(self\)`. Expected: `__init__\(self, game, options\)`; docs"),
    ("@channel('c')\nclass C(Channel):\n    def send(self, noise, logits): pass",
     r"`send\(self, noise, logits\)`. Expected: `send\(self, logits, noise\)`"),
    ("@figure('f')\ndef f(data): pass", r"has the parameters \(data\). Expected: `def f\(part\)` or"),
    ("@reward('r', among=2)\ndef r(scores, among, targets): pass", r"Expected: `def r\(scores, log_likelihood, ta"),
    ("@channel('c', sd=SD)\nclass C(Channel):\n    def send(self, logits, noise): pass",
     r"`sd=SD` must be written as a number"),
    ("@channel('c')\ndef c(logits, noise): pass", r"the channel 'c' is a function"),
    ("@reward('r', among=2)\ndef r(scores, log_likelihood, targets): pass",
     r"Expected: `def r\(scores, log_likelihood, targets, among\)`"),
    ("if True:\n    @metric('m')\n    def m(conversations, generator): pass", r"line 3: `metric` must be a decorator"),
    ("metric('m')(print)", r"line 2: `metric` must be a decorator"),
    ("from . import other", r"line 2: `from . import other` imports another file of the folder"),
    ("import nowhere.at_all", r"line 2: there is no package nowhere; install it, or correct `import nowhere.at_all`"),
    ("import os, nowhere", r"line 2: there is no package nowhere;"),
    ("from nowhere import a", r"line 2: there is no package nowhere;"),
    ("import beside", r"line 2: `import beside` imports beside, a file in the same folder"),
    ("x = 1", r"registers nothing; put a decorator such as"),
    ("def m(:", r"line 2: this is not valid Python"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message"), WRONG, ids=[message[:40] for _, message in WRONG])
def test_what_is_wrong_is_said_with_the_line_and_what_is_expected(write, text, message):
    write("from parley.plugins import channel, figure, metric, reward; from parley.game import Channel\n" + text)
    Path("beside.py").write_text("")
    _, findings = read()
    assert len(findings) == 1
    assert findings[0].startswith("my_parts.py")
    assert re.search(message, findings[0])


def test_parameters_that_are_given_by_position_may_have_any_names(write):
    text = PARTS.replace("self, logits, noise", "self, x, u").replace("logits", "x")
    text = text.replace("def ones(conversations, generator)", "def ones(c, _)").replace("conversations.", "c.")
    write(f"{text}\nfrom parley.plugins import reward\n@reward('r', a=1)\ndef r(s, l, t, a): return l")
    assert read()[1] == []


SHADOWING = [
    "def f(reward, *, metric=1): return reward.mean() + metric",
    "def f(x):\n    for reward in x:\n        reward.mean()",
    "def f(x):\n    with x as (reward, metric):\n        return lambda: reward(metric)",
    "def f(x):\n    try:\n        metric = x\n    except ValueError as reward:\n        return reward, metric",
    "def f(x): return [reward for reward in x], {metric: 1 for metric in x}, lambda reward: reward.mean()",
    "def f(x):\n    match x:\n        case [reward, *metric]:\n            return reward, metric",
    "class C:\n    metric = 1\n    other = metric\n    def reward(self, metric): return metric",
]


@pytest.mark.parametrize("text", SHADOWING)
def test_a_variable_with_the_name_of_a_decorator_is_not_its_use(write, text):
    write(f"{PARTS}\nfrom parley.plugins import reward\n{text}\n")
    assert read()[1] == []


@pytest.mark.parametrize(
    "text",
    ["class C:\n    metric = 1\n    def f(self): return metric", "def f(x=metric): pass",
     "def f(reward):\n    def g(): return metric\n    return reward", "def f():\n    global metric\n    metric = 1"],
)  # fmt: skip
def test_a_use_of_a_decorator_beside_variables_of_its_name_is_refused(write, text):
    write(f"{PARTS}\n{text}\n")
    [finding] = read()[1]
    assert "`metric` must be a decorator" in finding


SEND = "    def send(self, logits, noise): return Message(logits, logits)\n"


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ("diferentiable = True", r"sets the attribute `diferentiable`, which .* know; did you mean differentiable\?"),
        ("samples_bit: bool = True", r"did you mean samples_bits\?"),
        ("uses_reinforce = True; has_entropy = False", r"`uses_reinforce = True` and `has_entropy = False`, but REIN"),
        ("uses_reinforce = True; discrete = False", r"`discrete = False`, but messages that REINFORCE trains are bits"),
    ],
)
def test_misspelt_and_contradictory_attributes_of_channels_are_refused(write, attributes, message):
    write(f"{PARTS}\n@channel('c')\nclass C(Shared):\n    {attributes}\n{SEND}")
    [finding] = read()[1]
    assert re.search(rf"the channel 'c' .*{message}", finding)


def test_a_channel_of_bits_and_erasures_may_be_trained_by_reinforce(write):
    write(f"{PARTS}\n@channel('c')\nclass C(Shared):\n    uses_reinforce = True\n"
          f"    samples_bits = False\n{SEND}")  # fmt: skip
    assert read()[1] == []


def test_other_attributes_of_channels_are_their_own(write):
    attributes = "differentiable = uses_reinforce = True; scale = 2; levels: int = 3; _discrete = False"
    write(f"{PARTS}\n@channel('c')\nclass C(Shared):\n    {attributes}\n{SEND}")
    assert read()[1] == []


def test_files_are_read_without_being_run(write):
    digests(write, PARTS + "\nraise SystemExit\n")


def test_packages_may_be_missing_that_are_imported_only_if_needed(write):
    conditional = "try:\n    import nowhere\nexcept ImportError:\n    nowhere = None\ndef f():\n    import nowhere\n"
    write(f"{PARTS}\n{conditional}\nimport __main__, sys, os.path\n")
    assert read()[1] == []


@pytest.mark.parametrize(("again", "said"), [("my_parts.py", ""), ("./my_parts.py", ", also as ./my_parts.py")])
def test_a_file_that_is_listed_twice_is_an_error(write, again, said):
    write(PARTS)
    assert read_plugins(["my_parts.py", again], OWN, Sources())[1] == [
        f"Config: plugins lists my_parts.py twice{said}; remove one."
    ]


@pytest.mark.parametrize(
    ("comment", "message"),
    [
        ("# Gr\u00f6\u00dfe\n", r"my_parts.py, line 1: .* \(invalid or missing encoding declaration\); correct it."),
        ("\n\n\n# Gr\u00f6\u00dfe\n", r"my_parts.py is not valid Python \(.*\); save it as UTF-8 text."),
    ],
)
def test_a_file_must_be_utf8_unless_it_says_otherwise(write, comment, message):
    latin = (comment + PARTS).encode("latin-1")
    Path("my_parts.py").write_bytes(latin)
    [finding] = read()[1]
    assert re.fullmatch(message, finding)
    Path("my_parts.py").write_bytes(b"# coding: latin-1\n" + latin)
    assert read()[1] == []


def test_a_missing_file_is_an_error(write):
    assert read_plugins(["none.py"], OWN, Sources())[1] == [
        "Config: plugins lists none.py, which is not a file; check the path."
    ]


def test_names_of_parleys_own_parts_are_those_of_its_registries():
    registries = {"channel": CHANNELS, "baseline": BASELINES, "reward": REWARDS, "augmentation": AUGMENTATIONS}
    own = {kind: tuple(registry.own) for kind, registry in registries.items()}
    own["metric"], own["image_source"] = tuple(UNITS), (*SOURCE_KINDS, "features")
    own["figure"] = tuple(figure.name for figure in (OVERVIEW, *RUN_FIGURES))
    assert {kind: OWN[kind] for kind in own} == own


def errors_of(write, text=PARTS, **sections):
    write(text)
    Path("classes.tsv").write_text("class\twnid\tdomain\na\t\tin\nb\t\tin\n")
    config = {"experiment": "e", "classes": "classes.tsv", "source": {"kind": "folder", "folder": {"root": "."}}}
    config |= {"plugins": ["my_parts.py"], **yaml.safe_load(yaml.safe_dump(sections))}
    with pytest.raises(ParleyError) as error:
        read_experiment(config, SCHEMA)
    return error.value.findings


def findings_of(write, **sections):
    return [one for one in errors_of(write, **sections) if "game." in one or "training." in one]


@pytest.mark.parametrize(
    ("before", "after"),
    [("noise_sd=2.0", "noise_sd=SCALE"), ('@channel("noisy"', "@channel(SCALE"), ("SCALE = 2.0", "SCALE = = 2.0")],
)
def test_a_part_with_an_error_is_not_unknown_too(write, before, after):
    game = {"channel": "noisy", "plugin_options": {"noise_sd": 1.0}}
    found = [one for one in errors_of(write, PARTS.replace(before, after), game=game) if "classes" not in one]
    assert [one.partition(",")[0] for one in found] == ["my_parts.py"]


def test_options_in_a_section_are_those_of_plugins(write):
    found = [one for one in errors_of(write, game={"options": {"noise_sd": 1}}) if "options" in one]
    assert found == ["Config: the key game.options is unknown; did you mean plugin_options?"]


def test_an_unknown_part_or_option_is_named_with_those_that_exist(write):
    assert findings_of(write, game={"channel": "noizy"}) == [
        "Config, run adaptive: game.channel is 'noizy'; did you mean noisy?"
    ]
    misspelt = {"channel": "noizy", "plugin_options": {"noise_sd": 1}}
    assert len(findings_of(write, game=misspelt)) == 1
    options = {"channel": "noisy", "plugin_options": {"noise": 1, "noise_sd": "much"}}
    assert findings_of(write, game=options) == [
        "Config, run adaptive: game.plugin_options.noise is unknown; did you mean noise_sd?",
        "Config, run adaptive: game.plugin_options.noise_sd is 'much', but the default is 2.0; give a value of the "
        "same type.",
    ]
