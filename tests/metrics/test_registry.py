"""Every metric of language.csv has a row in the registry with all fields, is documented, and is computed."""

import re
from collections import Counter
from pathlib import Path

import made_languages
import numpy as np
import pytest
from made_runs import Talk, write_messages

from parley.metrics import registry
from parley.metrics.conversations import read_conversations
from parley.metrics.language import Semantics, measure_language
from parley.metrics.registry import LANGUAGE_METRICS, PERMUTATION_TESTED, UNITS, Metric, in_report

OUTPUTS = Path(__file__).parents[2] / "docs/outputs.md"


def problems(metrics, documented):
    """Return a sentence for each thing that a metric lacks."""
    found = [
        f"{metric.name}: the registry row has no {field}"
        for metric in metrics
        for field in ("unit", "label", "doc")
        if not getattr(metric, field).strip()
    ]
    found += [f"{metric.name}: not in the table of language.csv in docs/outputs.md" for metric in metrics
              if metric.name not in documented]  # fmt: skip
    found += [f"{name}: in docs/outputs.md, but not in the registry" for name in documented - {m.name for m in metrics}]
    for field in ("name", "label", "report_row"):
        counts = Counter(getattr(metric, field) for metric in metrics if getattr(metric, field) is not None)
        found += [f"{field} {value!r} is used {count} times" for value, count in counts.items() if count > 1]
    return found


def documented_metrics():
    """Return the metrics named in the first column of the table of language.csv."""
    section = OUTPUTS.read_text(encoding="utf-8").split("### `language.csv`\n", 1)[1].split("\n### ", 1)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall("`([^`]+)`", row)}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """Everything that is measured of a compositional language, with features, attributes and an early stop."""
    language = made_languages.compositional()
    talks = [
        Talk(f"k{row}", int(label), [[9.0 * (one == label) for one in range(16)]] * 2, 1 + row % 2,
             sender=[list(message)] * 2)
        for row, (message, label) in enumerate(zip(language.messages.tolist(), language.classes, strict=True))
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("measured") / "messages.hdf5"
    write_messages(path, talks, [f"class {label}" for label in range(16)], run="a", seed=1, bits=4)
    pairs = np.array([divmod(label, 4) for label in range(16)])
    vectors = np.concatenate([np.eye(4)[pairs[:, 0]], np.eye(4)[pairs[:, 1]]], axis=1)
    return measure_language(read_conversations(path), Semantics(vectors, vectors[language.classes], pairs), 2)


def test_no_metric_lacks_unit_label_or_documentation():
    assert problems(LANGUAGE_METRICS, documented_metrics()) == []


def test_every_metric_of_the_registry_is_computed_and_every_computed_metric_is_in_the_registry(measured):
    assert [name for name, value in measured["measures"].items() if value is None] == []
    assert set(measured["measures"]) == set(UNITS)


def test_every_permutation_tested_metric_has_a_null_and_no_other_has(measured):
    for key in ("p", "null"):
        assert [name for name, value in measured[key].items() if value is None] == []
        assert set(measured[key]) == set(PERMUTATION_TESTED)


def test_problems_are_listed_by_metric():
    bare = Metric("bare", "", "", " ")
    assert problems([bare], {"old"}) == [
        "bare: the registry row has no unit",
        "bare: the registry row has no label",
        "bare: the registry row has no doc",
        "bare: not in the table of language.csv in docs/outputs.md",
        "old: in docs/outputs.md, but not in the registry",
    ]
    twice = [Metric("a", "bits", "A", "A.", report_row=1), Metric("b", "bits", "A", "B.", report_row=1)]
    assert problems(twice, {"a", "b"}) == ["label 'A' is used 2 times", "report_row 1 is used 2 times"]


def test_the_report_has_its_own_order():
    names = [metric.name for metric in in_report(LANGUAGE_METRICS)]
    assert names[:3] == ["accuracy@1", "macro_f1", "information"]
    assert "accuracy@k" not in names


def test_the_registry_imports_nothing_of_this_project():
    assert "parley" not in re.sub('""".*?"""', "", Path(registry.__file__).read_text(), flags=re.DOTALL)
