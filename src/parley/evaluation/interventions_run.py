"""A trained run under interventions: played on what was held out, each thing done to its messages by itself."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from parley.config.memory_budget import refuse_endings_beyond_memory
from parley.core.files import write_json
from parley.core.progress import tracked
from parley.evaluation.evaluate import Asked, asked_of
from parley.evaluation.interventions import Disturbance, Intervention, interventions
from parley.game.channel import make_channel
from parley.game.perturbations import needs_flip_noise
from parley.interaction import run as evaluation
from parley.interaction.eval_sets import UNSEEN_PARTS
from parley.interaction.run import Ended
from parley.metrics.influence import UNITS, answers_changed, bits_changed, prediction_shift
from parley.training.checkpoint import Checkpoint, load_checkpoint

BATCH = 256
"""Images at once, whatever a run's own batches are: a run is played dozens of times."""
MOST_SCORES = 20_000_000
"""Of a batch, 80 MB: of very many candidates there are fewer images in it."""
FLIPS = ("none", "flipped_bits")
"""Interventions whose measures each evaluation brings along."""


def intervene(
    checkpoint: str | Path,
    parts: Mapping[str, str],
    descriptions: str,
    words: str,
    ks: tuple[int, int],
    about: Mapping[str, Any],
    out: str | Path,
    only: Collection[str] | None = None,
    most: int | None = None,
) -> None:
    """Play a run's chosen checkpoint on every part under every intervention and write `interventions.json`.

    Parameters
    ----------
    checkpoint
        ``best.pt``.
    parts
        Paths of the parts to play on; of unseen classes, seen ones are candidates too.
    descriptions, words
        Paths of ``descriptions.csv`` and ``words.hdf5``.
    ks
        The K of accuracy@K among seen classes, and where unseen ones are candidates too.
    about
        Entries of the file: experiment, run, seed.
    out
        The file.
    only
        Names of the interventions to make; None for all.
    most
        Most images of a part that are talked about, by lot; None for all.
    """
    moment = load_checkpoint(checkpoint)
    found = {}
    for question, asked in asked_of(moment, parts, descriptions, words, most):
        if question.name == question.part:
            refuse_endings_beyond_memory(len(asked.places), len(asked.labels), question.name)
            what = f"disturb {about['run']}/{about['seed']}, {question.name}"
            rows = intervened(moment, asked, ks[question.part in UNSEEN_PARTS], only, what)
            found[question.name] = {"n": len(asked.places), "rows": rows}
    write_json(out, {**about, "step": moment.step, "units": UNITS, "parts": found})


def intervened(
    moment: Checkpoint, asked: Asked, k: int, only: Collection[str] | None = None, what: str = "disturb"
) -> list[dict[str, Any]]:
    """Return what each intervention comes to: its name, its value, and its measures by the names of `UNITS`.

    Parameters
    ----------
    moment
        The run.
    asked
        The images and the candidates.
    k
        The K of accuracy@K.
    only
        Names of the interventions to make; None for all.
    what
        What progress is told of.
    """
    asked = asked._replace(part=asked.part._replace(images=moment.standardizer.apply(asked.part.images)))
    before = _played(moment, asked, None)
    rows = []
    possible = interventions(moment.game, before.dialogue, asked.part.targets)
    wanted = [one for one in possible if only is None or one.name in only]
    for one in tracked(wanted, what, len(wanted), "intervention"):
        idle = one.disturbance is None or one.disturbance.changes_nothing
        after = before if idle else _played(moment, asked, one.disturbance)
        measures = measured(moment, before, after, one, k)
        rows.append({"intervention": one.name, "value": one.value, "measures": measures})
    return rows


def _played(moment: Checkpoint, asked: Asked, disturbance: Disturbance | None) -> Ended:
    """Play a run on images that are on its scale already."""
    game = moment.game
    size = min(BATCH, max(1, MOST_SCORES // (game.max_exchanges * len(asked.labels))))
    if game.shuffle != "none" or needs_flip_noise(game, training=False):
        # Here alone a result depends on the batches, and is to be that of the evaluation.
        size = moment.training.dev_batch_size
    setup = evaluation.Setup(moment.agents, asked.part.images, asked.places, asked.descriptions, game, size)
    return evaluation.play_to_end(setup, disturbance)


def measured(moment: Checkpoint, before: Ended, after: Ended, done: Intervention, k: int) -> dict[str, float | None]:
    """Return the measures that an intervention has; None where no number can be given.

    Parameters
    ----------
    moment
        The run.
    before, after
        Undisturbed and disturbed.
    done
        What was done.
    k
        The K of accuracy@K.
    """
    disturbance = done.disturbance
    of_questions = disturbance is not None and disturbance.speaker == "receiver"
    names = [name for name in UNITS if disturbance is not None or name in ("accuracy@1", "accuracy@k", "length")]
    if not of_questions or not make_channel(moment.game.channel).discrete:
        names = [name for name in names if name != "bits_changed"]
    if not (before.dialogue.all_finite and after.dialogue.all_finite):
        return dict.fromkeys(names)
    first, final = before.dialogue.final_scores.numpy(), after.dialogue.final_scores.numpy()
    counted = evaluation.score(after, k, evaluation.nominal_batch(moment.game, moment.training.dev_batch_size))
    found: dict[str, float | None] = {
        **{name: counted[name] for name in ("accuracy@1", "accuracy@k", "length")},
        "answers_changed": answers_changed(first, final),
        "prediction_shift": prediction_shift(first, final),
    }
    if disturbance is not None and of_questions:
        said, heard = before.dialogue.sender_bits.numpy(), after.dialogue.sender_bits.numpy()
        following = [t + 1 for t in disturbance.exchanges]
        found["bits_changed"] = bits_changed(said, heard, before.dialogue.active.numpy(), following)
    return {name: found[name] for name in names}
