"""Export dialogues to the formats of other tools: corpora for the ELCC, and arrays for emlangkit.

ELCC is the Emergent Language Corpus Collection (Boldt and Mortensen, 2024). It contains a folder ``systems/<system>``
for each system, with the system's metadata in ``metadata.yml`` and ``system.json``, and a folder ``data/<variant>`` for
each corpus of the system. In ``corpus.jsonl``, each line is an array of integers with all utterances of an episode; in
``corpus.structured.jsonl``, each line has one array per utterance; ``metadata.json`` describes the corpus.

Parley exports an experiment as a system, each combination of run, seed and split as a variant, and each dialogue as an
episode. ``meanings.jsonl`` is not part of the ELCC format. It contains the class and the prediction of each episode.
"""

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from parley import __version__
from parley.core.errors import ParleyError
from parley.core.files import write_json, write_text, written_aside
from parley.dataset.attributes import Attributes, read_attributes
from parley.export.tidy import AGENTS
from parley.metrics.conversations import Conversations, read_conversations

logger = logging.getLogger(__name__)

ORIGIN = {
    "source": f"parley {__version__}",
    "upstream_source": "https://github.com/nyu-dl/MultimodalGame",
    "paper": "https://arxiv.org/abs/1705.10369",
}
SYSTEM = {
    "game_type": "signalling",
    "game_subtype": "discrimination",
    "observation_continuous": True,
    "observation_type": "image",
    "seeding_available": True,
    "multi_step": True,
    "multi_utterance": True,
    "more_than_2_agents": False,
    "symmetric_agents": False,
}
"""Properties of the game, as defined by the ELCC."""
Utterances = list[list[int]]
"""The messages of one episode, alternating between Sender and Receiver; each message is a list of bits."""


def write_corpora(
    messages: Iterable[str | Path],
    descriptions: Mapping[str, str],
    experiment: str,
    drawn: bool,
    failed: Sequence[Mapping[str, Any]],
    folder: str | Path,
) -> None:
    """Write the folder `systems/<experiment>` with a corpus for each message file.

    Parameters
    ----------
    messages
        Paths of the message files. A file of a continuous channel is skipped, because its messages are not integers,
        and is listed in the system's metadata.
    descriptions
        Mapping from the name of each class to its description.
    experiment
        Name of the experiment.
    drawn
        Whether the images are synthetic rather than photographs.
    failed
        ``run``, ``seed`` and ``why`` of each failed seed, for the system's metadata. Failed seeds have no corpus.
    folder
        Output folder, in which the folder `systems` is created.
    """
    system = Path(folder) / "systems" / experiment
    variants: dict[str, Any] = {}
    continuous: list[str] = []
    for path in messages:
        dialogues = read_conversations(path)
        name = f"{dialogues.run}.seed-{dialogues.seed}.{dialogues.part}"
        if not dialogues.binary:
            logger.warning("Skipping the corpus of %s: its messages are numbers, not bits.", name)
            continuous.append(name)
            continue
        _write_variant(system / "data" / name, dialogues, descriptions)
        variants[name] = _settings(dialogues)
        del dialogues  # Free the memory before the next file is read.
    about = {
        "origin": {"name": experiment, **ORIGIN},
        "system": {**SYSTEM, "data_source": "synthetic" if drawn else "natural", "variants": variants},
        "parley": {"failed": list(failed), "continuous": continuous},
    }
    write_text(system / "metadata.yml", yaml.safe_dump(about, sort_keys=False, allow_unicode=True))
    write_json(system / "system.json", about)


def utterances_of(dialogues: Conversations) -> Iterator[Utterances]:
    """Yield the messages of each dialogue as bits, alternating between Sender and Receiver.

    Messages after the dialogue has stopped are omitted. The Receiver's last message is also omitted, because the Sender
    never reads it.
    """
    for sender, receiver, length in zip(
        dialogues.sender_messages, dialogues.receiver_messages, dialogues.lengths.tolist(), strict=True
    ):
        pairs = zip(sender[:length].tolist(), receiver[:length].tolist(), strict=True)
        yield [turn for pair in pairs for turn in pair][:-1]


def _write_variant(folder: Path, dialogues: Conversations, descriptions: Mapping[str, str]) -> None:
    _write_lines(folder / "corpus.jsonl", ([*chain(*episode)] for episode in utterances_of(dialogues)))
    _write_lines(folder / "corpus.structured.jsonl", utterances_of(dialogues))
    _write_lines(folder / "meanings.jsonl", _meanings(dialogues, descriptions))
    write_json(folder / "metadata.json", {**_settings(dialogues), **_counts(utterances_of(dialogues))})


def _counts(episodes: Iterable[Utterances]) -> dict[str, Any]:
    """Count the lines, utterances and tokens of a corpus, for its metadata."""
    # As keys of the counters, bytes objects take a tenth of the memory of tuples of integers.
    lines: Counter[bytes] = Counter()
    utterances: Counter[bytes] = Counter()
    for episode in episodes:
        lines[bytes(chain(*episode))] += 1
        utterances.update(map(bytes, episode))
    tokens = sum(len(utterance) * times for utterance, times in utterances.items())
    ones = sum(sum(utterance) * times for utterance, times in utterances.items())
    return {
        "lines": lines.total(),
        "unique_lines": len(lines),
        "utterances": utterances.total(),
        "unique_utterances": len(utterances),
        "tokens": tokens,
        "unique_tokens": len(set(chain(*utterances))),
        "tokens_per_line": tokens / lines.total(),
        "ones": ones / tokens,
    }


def _settings(dialogues: Conversations) -> dict[str, Any]:
    """Return the metadata of a corpus that do not depend on its messages."""
    return {
        "run": dialogues.run,
        "seed": dialogues.seed,
        "part": dialogues.part,
        "vocab_size": 2,
        "message_length": dialogues.sender_messages.shape[-1],
        "max_exchanges": dialogues.talking.shape[1],
    }


def _meanings(dialogues: Conversations, descriptions: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Yield the class, prediction and messages of each dialogue, as a line of `meanings.jsonl`."""
    if missing := sorted(set(dialogues.labels).difference(descriptions)):
        raise ParleyError(
            f"descriptions.csv has no description of {', '.join(missing[:5])}, on which run {dialogues.run}, seed "
            f"{dialogues.seed} was evaluated; remove descriptions.csv and the run's messages.hdf5, and run again."
        )
    finite = np.asarray(np.isfinite(dialogues.final_scores).all(axis=-1))
    best = dialogues.final_scores.argmax(axis=-1)
    for row, episode in enumerate(utterances_of(dialogues)):
        name = dialogues.labels[dialogues.targets[row]]
        yield {
            "key": dialogues.keys[row],
            "class": name,
            "label_id": dialogues.candidate_ids[dialogues.targets[row]],
            "description": descriptions[name],
            "predicted": dialogues.labels[best[row]] if finite[row] else None,
            "utterances": [
                {"exchange": turn // 2 + 1, "agent": AGENTS[turn % 2], "message": "".join(map(str, bits))}
                for turn, bits in enumerate(episode)
            ],
        }


def _write_lines(path: Path, values: Iterable[Any]) -> None:
    with written_aside(path) as aside, aside.open("w", encoding="utf-8") as stream:
        for value in values:
            stream.write(json.dumps(value, ensure_ascii=False, separators=(",", ":")) + "\n")


def write_toolkit_files(messages: Iterable[str | Path], attributes: str | Path | None, folder: str | Path) -> None:
    """For each message file, write a file `<run>-<seed>-<part>.npz` with arrays for emlangkit.

    Parameters
    ----------
    messages
        Paths of the message files.
    attributes
        Path of the TSV file with the classes' attributes; None if there is no such file.
    folder
        Output folder.
    """
    known = read_attributes(attributes) if attributes else None
    Path(folder).mkdir(parents=True, exist_ok=True)
    for path in messages:
        dialogues = read_conversations(path)
        out = Path(folder) / f"{dialogues.run}-{dialogues.seed}-{dialogues.part}.npz"
        # NumPy would add .npz to the path of the temporary file, so it gets an open file instead.
        with written_aside(out) as aside, aside.open("wb") as stream:
            np.savez_compressed(stream, allow_pickle=False, **arrays_of(dialogues, known))
        del dialogues  # Free the memory before the next file is read.


def arrays_of(dialogues: Conversations, attributes: Attributes | None) -> dict[str, NDArray[Any]]:
    """Return the arrays to write for the N dialogues of one message file.

    Parameters
    ----------
    dialogues
        The dialogues of the file.
    attributes
        Attributes of the classes; None if there is no attribute table.

    Returns
    -------
    dict
        ``messages`` [N, d]: the Sender's last message in each dialogue; ``observations`` [N, A]: A attributes of the
        image's class as integers, or its label id [N, 1] if `attributes` is None; ``names`` [A]: names of the
        columns of ``observations``; ``values_<name>``: the texts that the integers in a column stand for; ``keys``,
        ``classes`` and ``label_ids`` [N] of the images.
    """
    classes = [dialogues.labels[column] for column in dialogues.targets.tolist()]
    ids = np.array(dialogues.candidate_ids, dtype=np.int64)[dialogues.targets]
    observed = ids[:, None] if attributes is None else attributes.of(classes)
    names = ["label_id"] if attributes is None else attributes.names
    values = {} if attributes is None else dict(zip(attributes.names, attributes.values, strict=True))
    return {
        "messages": dialogues.at_stop(dialogues.sender_messages),
        "observations": observed,
        "names": np.array(names),
        "keys": np.array(dialogues.keys),
        "classes": np.array(classes),
        "label_ids": ids,
        **{f"values_{name}": np.array(texts) for name, texts in values.items()},
    }
