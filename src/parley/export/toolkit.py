"""Messages and what they are about as the arrays that emlangkit's `Language` takes: a file a run, seed and part."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from parley.core.files import written_aside
from parley.dataset.attributes import Attributes, read_attributes
from parley.metrics.conversations import Conversations, read_conversations


def write_toolkit_files(messages: Iterable[str | Path], attributes: str | Path | None, folder: str | Path) -> None:
    """Write `<run>-<seed>-<part>.npz` for each file of messages.

    Parameters
    ----------
    messages
        Files of messages.
    attributes
        A TSV of the classes' attributes, where there is one.
    folder
        Where the files go.
    """
    known = read_attributes(attributes) if attributes else None
    Path(folder).mkdir(parents=True, exist_ok=True)
    for path in messages:
        dialogues = read_conversations(path)
        out = Path(folder) / f"{dialogues.run}-{dialogues.seed}-{dialogues.part}.npz"
        # As a stream: to a path, numpy would add its own suffix.
        with written_aside(out) as aside, aside.open("wb") as stream:
            np.savez_compressed(stream, allow_pickle=False, **arrays_of(dialogues, known))
        del dialogues  # before the next is read


def arrays_of(dialogues: Conversations, attributes: Attributes | None) -> dict[str, NDArray[Any]]:
    """Return the arrays of one file.

    Parameters
    ----------
    dialogues
        The conversations.
    attributes
        Of the classes, where there are some.

    Returns
    -------
    dict
        ``messages`` [N, d], each conversation's last of the Sender; ``observations`` [N, A], attributes as whole
        numbers, or without any the label id alone [N, 1]; ``names`` [A] of their columns; ``values_<name>``, what the
        numbers of a column stand for; ``keys``, ``classes`` and ``label_ids`` [N].
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
