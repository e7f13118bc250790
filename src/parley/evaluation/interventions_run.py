"""Evaluate a trained run on held-out splits under each intervention, one at a time."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from parley.config.memory_budget import refuse_endings_beyond_memory
from parley.core.files import write_json
from parley.core.progress import tracked
from parley.evaluation.evaluate import EvalBatchSpec, iter_eval_sets
from parley.evaluation.interventions import Intervention, MessageEdit, interventions
from parley.game.channel import make_channel
from parley.game.perturbations import needs_flip_noise
from parley.interaction.eval_sets import UNSEEN_PARTS
from parley.interaction.run import RolloutInputs, SplitSummary, nominal_batch, score, summarize_split
from parley.metrics.influence import UNITS, answers_changed, bits_changed, prediction_shift
from parley.training.checkpoint import Checkpoint, load_checkpoint

BATCH = 256
"""Images per batch, independent of the run's own batch size, because a run is played dozens of times."""
MOST_SCORES = 20_000_000
"""Largest number of scores in a batch (80 MB); with very many candidates a batch has fewer images."""
FLIPS = ("none", "flipped_bits")
"""Interventions that run with every evaluation."""


def intervene(
    checkpoint_path: str | Path,
    parts: Mapping[str, str],
    descriptions: str,
    words: str,
    ks: tuple[int, int],
    about: Mapping[str, Any],
    out: str | Path,
    only: Collection[str] | None = None,
    most: int | None = None,
) -> None:
    """Evaluate a run's selected checkpoint on every split under every intervention and write `interventions.json`.

    Parameters
    ----------
    checkpoint_path
        ``best.pt``.
    parts
        Path of each split's HDF5 file. On splits of unseen classes, seen classes are candidates too.
    descriptions, words
        Paths of ``descriptions.csv`` and ``words.hdf5``.
    ks
        K of accuracy@K: with seen candidates only, and with unseen candidates too.
    about
        Entries to add to the file: experiment, run, seed.
    out
        Path of the file to write.
    only
        Names of the interventions to run; None for all.
    most
        Largest number of images of a split to play, chosen at random; None for all.
    """
    checkpoint = load_checkpoint(checkpoint_path)
    found = {}
    for question, spec in iter_eval_sets(checkpoint, parts, descriptions, words, most):
        if question.name == question.part:
            refuse_endings_beyond_memory(len(spec.places), len(spec.labels), question.name)
            what = f"disturb {about['run']}/{about['seed']}, {question.name}"
            rows = intervened(checkpoint, spec, ks[question.part in UNSEEN_PARTS], only, what)
            found[question.name] = {"n": len(spec.places), "rows": rows}
    write_json(out, {**about, "step": checkpoint.step, "units": UNITS, "parts": found})


def intervened(
    checkpoint: Checkpoint, spec: EvalBatchSpec, k: int, only: Collection[str] | None = None, what: str = "disturb"
) -> list[dict[str, Any]]:
    """Return each intervention's name, value and measures, named as in `UNITS`.

    Parameters
    ----------
    checkpoint
        The run's checkpoint.
    spec
        The images and the candidates.
    k
        The K of accuracy@K.
    only
        Names of the interventions to run; None for all.
    what
        Name shown in the progress log.
    """
    spec = spec._replace(part=spec.part._replace(images=checkpoint.standardizer.apply(spec.part.images)))
    before = _played(checkpoint, spec, None)
    rows = []
    possible = interventions(checkpoint.game, before.dialogue, spec.part.targets)
    wanted = [one for one in possible if only is None or one.name in only]
    for one in tracked(wanted, what, len(wanted), "intervention"):
        idle = one.edit is None or one.edit.is_noop
        after = before if idle else _played(checkpoint, spec, one.edit)
        measures = measured(checkpoint, before, after, one, k)
        rows.append({"intervention": one.name, "value": one.value, "measures": measures})
    return rows


def _played(checkpoint: Checkpoint, spec: EvalBatchSpec, edit: MessageEdit | None) -> SplitSummary:
    """Play a run on images that are already standardised."""
    game = checkpoint.game
    size = min(BATCH, max(1, MOST_SCORES // (game.max_exchanges * len(spec.labels))))
    if game.shuffle != "none" or needs_flip_noise(game, training=False):
        # Results depend on the batch size only here; use the evaluation's, to get the same results.
        size = checkpoint.training.dev_batch_size
    setup = RolloutInputs(checkpoint.agents, spec.part.images, spec.places, spec.descriptions, game, size)
    return summarize_split(setup, edit)


def measured(
    checkpoint: Checkpoint, before: SplitSummary, after: SplitSummary, done: Intervention, k: int
) -> dict[str, float | None]:
    """Return the measures of an intervention; a measure that is undefined is None.

    Parameters
    ----------
    checkpoint
        The run's checkpoint.
    before, after
        Dialogues without and with the intervention.
    done
        The intervention.
    k
        The K of accuracy@K.
    """
    edit = done.edit
    of_questions = edit is not None and edit.speaker == "receiver"
    names = [name for name in UNITS if edit is not None or name in ("accuracy@1", "accuracy@k", "length")]
    if not of_questions or not make_channel(checkpoint.game.channel).discrete:
        names = [name for name in names if name != "bits_changed"]
    if not (before.dialogue.all_finite and after.dialogue.all_finite):
        return dict.fromkeys(names)
    first, final = before.dialogue.final_scores.numpy(), after.dialogue.final_scores.numpy()
    counted = score(after, k, nominal_batch(checkpoint.game, checkpoint.training.dev_batch_size))
    found: dict[str, float | None] = {
        **{name: counted[name] for name in ("accuracy@1", "accuracy@k", "length")},
        "answers_changed": answers_changed(first, final),
        "prediction_shift": prediction_shift(first, final),
    }
    if edit is not None and of_questions:
        sent_before, sent_after = before.dialogue.sender_bits.numpy(), after.dialogue.sender_bits.numpy()
        following = [t + 1 for t in edit.exchanges]
        found["bits_changed"] = bits_changed(sent_before, sent_after, before.dialogue.active.numpy(), following)
    return {name: found[name] for name in names}
