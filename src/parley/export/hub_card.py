"""Text of the dataset card of an exported experiment: YAML for the Hugging Face Hub, then Markdown."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from parley import __version__
from parley.core.installation import as_typed
from parley.core.markdown import escaped, table

UNKNOWN = "unknown"
"""The Hub's name for a licence that nobody has stated."""
CATEGORIES = (
    (1_000, "n<1K"),
    (10_000, "1K<n<10K"),
    (100_000, "10K<n<100K"),
    (1_000_000, "100K<n<1M"),
    (10_000_000, "1M<n<10M"),
)
"""The Hub's categories of size, by the number of rows below which they apply."""
TAGS = ["emergent-communication", "emergent-language", "referential-game", "parley"]
Sizes = Mapping[str, Mapping[str, int]]
"""Number of dialogues by run and split."""
_COLUMNS = (
    ("`seed`", "the seed of the pair of agents"),
    ("`key`", "the image: the beginning of the SHA-256 of its address or path"),
    ("`class`, `label_id`, `group`", "the true class"),
    ("`length`", "number of exchanges"),
    ("`sender_messages`", "the Sender's message of each exchange"),
    ("`receiver_messages`", "the Receiver's, except for the last, which the Sender does not read"),
    ("`go_on_probabilities`", "the Receiver's probability of going on, after each exchange"),
    ("`predicted`, `predicted_probability`", "the Receiver's answer"),
    ("`rank`, `target_probability`", "rank and probability of the true class in the answer; 1 is the best rank"),
)


class CardFacts(NamedTuple):
    """Facts about an experiment for its dataset card."""

    experiment: str
    games: Mapping[str, Mapping[str, Any]]
    """Settings of the game of each run."""
    summary: Sequence[Mapping[str, str]]
    """Rows of summary.csv."""
    failed: Sequence[Mapping[str, Any]]
    """``run``, ``seed`` and ``why`` of each failed seed, which has no dialogues."""
    rights: str
    """Rights in the images, as the experiment's data card says; empty if there is none."""
    citation: Mapping[str, Any]
    """Content of CITATION.cff."""


def card_of(facts: CardFacts, sizes: Sizes, features: Mapping[str, Sequence[Mapping[str, Any]]]) -> str:
    """Return the text of the dataset card.

    Parameters
    ----------
    facts
        Facts about the experiment.
    sizes
        Number of dialogues by run and split, each of which has a file ``data/<run>/<part>.parquet``.
    features
        Names and types of each run's columns, as the Hub writes them.
    """
    sections = [
        [f"# Dialogues of the experiment {escaped(facts.experiment)}"],
        [
            "Two networks were trained to communicate about images in a multi-modal, multi-step referential game. A "
            "Sender sees an image and a Receiver reads descriptions of candidate classes. They exchange messages "
            "until the Receiver stops and names the class. Each row is one dialogue of trained agents. The dataset "
            "has no images."
        ],
        ["## Use", "", *_use(sizes)],
        ["## Columns", "", *table(("column", "contents"), _COLUMNS)],
        ["## Runs and splits", "", *_runs(facts, sizes)],
        ["## Results", "", *_results(facts)],
        ["## Rights", "", *_rights(facts)],
        ["## Citation", "", "```bibtex", *_bibtex(facts.citation), "```"],
    ]
    text = "\n\n".join("\n".join(lines) for lines in sections if lines)
    front = yaml.safe_dump(_front(facts, sizes, features), sort_keys=False, allow_unicode=True, width=120)
    return f"---\n{front}---\n\n{text}\n"


def with_licence(card: str, licence: str) -> str:
    """Return a dataset card with the identifier of a licence, in place of the unknown one."""
    stated = yaml.safe_dump({"license": licence})
    changed = re.sub(rf"^license: {UNKNOWN}\n", lambda _: stated, card, count=1, flags=re.MULTILINE)
    return changed.replace(_UNSTATED, f"The licence of the dialogues is {escaped(licence)}.")


_UNSTATED = "No licence of the dialogues has been stated."


def _front(facts: CardFacts, sizes: Sizes, features: Mapping[str, Any]) -> dict[str, Any]:
    rows = sum(sum(parts.values()) for parts in sizes.values())
    return {
        "pretty_name": f"Emergent dialogues: {facts.experiment}",
        "license": UNKNOWN,
        "task_categories": ["other"],
        "tags": TAGS,
        "size_categories": [next((name for most, name in CATEGORIES if rows < most), "10M<n<100M")],
        "configs": [
            {
                "config_name": run,
                **({"default": True} if number == 0 else {}),
                "data_files": [{"split": part, "path": f"data/{run}/{part}.parquet"} for part in parts],
            }
            for number, (run, parts) in enumerate(sizes.items())
        ],
        "dataset_info": [{"config_name": run, "features": [*columns]} for run, columns in features.items()],
    }


def _use(sizes: Sizes) -> list[str]:
    if not sizes:
        return ["Every seed failed, so there are no dialogues."]
    run, parts = next(iter(sizes.items()))
    part = "test" if "test" in parts else next(iter(parts))
    return [
        "```python",
        "from datasets import load_dataset",
        "",
        f'dialogues = load_dataset("ORG/NAME", "{run}", split="{part}")  # or the path of this folder',
        "```",
    ]


def _runs(facts: CardFacts, sizes: Sizes) -> list[str]:
    rows = []
    for run, parts in sizes.items():
        game = facts.games[run]
        about = (escaped(str(game["channel"])), game["message_bits"], game["max_exchanges"])
        rows += [(escaped(run), part, number, *about) for part, number in parts.items()]
    header = ("run (configuration)", "split", "dialogues", "channel", "values per message", "exchanges, at most")
    failed = [
        f"Seed {one['seed']} of run {escaped(one['run'])} failed and has no dialogues: {escaped(str(one['why']))}"
        for one in facts.failed
    ]
    made = as_typed(
        f"Made by Parley {__version__} from the experiment {escaped(facts.experiment)}, with the command "
        "`uv run snakemake --cores all hub`."
    )
    splits = (
        "`train`, `dev` and `test` have images of classes seen in training; `ood` and `transfer` have images of unseen "
        "classes, among which the Receiver chooses alone in `ood_alone` and `transfer_alone`."
    )
    return [*table(header, rows), "", splits, "", *(line for why in failed for line in (why, "")), made]


def _results(facts: CardFacts) -> list[str]:
    rows = [
        (escaped(row["run"]), row["part"], _interval(row), _rounded(row["chance"]), row["n_seeds"], row["seeds_failed"])
        for row in facts.summary
        if row["metric"] == "accuracy@1"
    ]
    header = ("run", "split", "accuracy@1, mean over seeds [95 % interval]", "chance", "seeds", "failed")
    return table(header, rows)


def _interval(row: Mapping[str, str]) -> str:
    mean, low, high = (_rounded(row[name]) for name in ("mean", "low", "high"))
    return f"{mean} [{low}, {high}]" if low else mean


def _rounded(cell: str) -> str:
    return f"{float(cell):.3f}" if cell else ""


def _rights(facts: CardFacts) -> list[str]:
    about = ["", "Rights in the images that the agents saw, from the experiment's data card:", "", facts.rights]
    return [_UNSTATED, *(about if facts.rights else [])]


def rights_in(data_card: str) -> str:
    """Return the section about rights of a data card, in Markdown."""
    found = re.search(r"^## Rights\n(.*?)(?=^## )", data_card, re.DOTALL | re.MULTILINE)
    return found[1].strip() if found else ""


def _bibtex(citation: Mapping[str, Any]) -> list[str]:
    paper = citation["preferred-citation"]
    entries = {
        "inproceedings{evtimova2018emergent": {
            "title": f"{{{paper['title']}}}",
            "author": _authors(paper),
            "booktitle": paper["collection-title"],
            "year": str(paper["year"]),
            "url": paper["url"],
        },
        "software{parley": {
            "title": f"{{{citation['title']}}}",
            "author": _authors(citation),
            "version": str(citation["version"]),
        },
    }
    lines = []
    for kind, fields in entries.items():
        lines += [f"@{kind},", *(f"  {name} = {{{value}}}," for name, value in fields.items()), "}"]
    return lines


def _authors(work: Mapping[str, Any]) -> str:
    return " and ".join(
        f"{{{one['name']}}}" if "name" in one else f"{one['family-names']}, {one['given-names']}"
        for one in work["authors"]
    )


def read_citation(path: str | Path) -> dict[str, Any]:
    """Return the content of a CITATION.cff file."""
    return dict(yaml.safe_load(Path(path).read_text(encoding="utf-8")))
