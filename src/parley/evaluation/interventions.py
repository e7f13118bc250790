"""Interventions on the messages of a trained run: flip bits, or replace messages by those of another image.

Random choices are the same for every seed, and for every run with the same number of bits and exchanges.
Shapes: T exchanges, N images, d bits of a message.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from parley.config.memory_budget import require_memory_for_interventions
from parley.core.files import write_json
from parley.core.progress import tracked
from parley.evaluation.evaluate import EvalBatchSpec, iter_eval_sets
from parley.game.channel import Corrupt, ExtraPerturbations, Replace, make_channel, needs_flip_noise
from parley.game.rng import uniforms
from parley.game.settings import GameSettings
from parley.game.types import Dialogue, DialogueSummary
from parley.interaction.eval_sets import UNSEEN_PARTS
from parley.interaction.run import RolloutInputs, SplitSummary, nominal_batch, score, summarize_split
from parley.metrics.influence import UNITS, answers_changed, bits_changed, prediction_shift
from parley.training.checkpoint import Checkpoint, load_checkpoint

Speaker = Literal["sender", "receiver"]


class MessageEdit(NamedTuple):
    """A change to the messages of one agent, image by image."""

    speaker: Speaker
    exchanges: Sequence[int]
    """Exchanges at which messages change, from 0."""
    effect: type[Corrupt] | type[Replace]
    values: Tensor
    """``[T, N, d]``: a mask of the bits to flip, or the messages to put in."""

    @property
    def is_noop(self) -> bool:
        """Whether every message stays the same, because no bit is flipped."""
        return self.effect is Corrupt and not self.values.any()

    def of_rows(self, rows: Tensor) -> ExtraPerturbations:
        """Return the perturbations for the images of the given rows."""
        steps = range(len(self.values))
        perturbed = [[self.effect(self.values[t, rows])] if t in self.exchanges else [] for t in steps]
        nothing: list[list[Corrupt | Replace]] = [[] for _ in steps]
        return (
            ExtraPerturbations(perturbed, nothing)
            if self.speaker == "sender"
            else ExtraPerturbations(nothing, perturbed)
        )


class Intervention(NamedTuple):
    """A condition under which a run is evaluated."""

    name: str
    value: int | None
    """Number of bits, index of the bit (from 0) or of the exchange (from 1); None if there is no such choice."""
    edit: MessageEdit | None
    """None for the baseline without a change."""


def iter_interventions(
    game: GameSettings, undisturbed: Dialogue | DialogueSummary, targets: Tensor
) -> Iterator[Intervention]:
    """Yield every intervention that a game allows.

    Parameters
    ----------
    game
        The game. Only a discrete channel has bits to flip; with one exchange no Receiver message is answered.
    undisturbed
        The dialogues without an intervention, which supply the messages of other images.
    targets
        ``[N]``: the class of each image.
    """
    yield Intervention("none", None, None)
    if make_channel(game).discrete:
        yield from _flips(game, len(targets))
    if len(targets) > 1:
        yield from _replacements(game, undisturbed, other_images(targets))


def _flips(game: GameSettings, images: int) -> Iterator[Intervention]:
    steps, bits = game.max_exchanges, game.message_bits
    everywhere, answered = range(steps), range(steps - 1)
    lots: dict[Speaker, Tensor] = {"sender": _lot("Sender", game, images), "receiver": _lot("Receiver", game, images)}

    def flips(speaker: Speaker, exchanges: Sequence[int], mask: Tensor) -> MessageEdit:
        return MessageEdit(speaker, exchanges, Corrupt, mask)

    for count in bit_counts(bits):
        yield Intervention("flipped_bits", count, flips("sender", everywhere, lots["sender"] < count))
    for t in everywhere:
        yield Intervention("flipped_exchange", t + 1, flips("sender", [t], lots["sender"] < (bits + 1) // 2))
    for bit in range(bits):
        mask = (torch.arange(bits) == bit).expand(steps, images, bits)
        yield Intervention("flipped_place", bit, flips("sender", everywhere, mask))
    for count in bit_counts(bits) if answered else []:
        yield Intervention("flipped_questions", count, flips("receiver", answered, lots["receiver"] < count))


def bit_counts(bits: int) -> list[int]:
    """Return the numbers of bits to flip: 0, the powers of two below d, and d."""
    return [0, *(2**power for power in range(bits.bit_length()) if 2**power < bits), bits]


def _lot(whose: str, game: GameSettings, images: int) -> Tensor:
    """Return a random ranking of the bits ``[T, N, d]`` per image and exchange; ranks below n are n random bits."""
    drawn = uniforms([0], f"flipped bits of the {whose}", 0, (game.max_exchanges, images, game.message_bits))[0]
    return drawn.argsort(dim=-1, stable=True).argsort(-1)


def _replacements(
    game: GameSettings, undisturbed: Dialogue | DialogueSummary, others: Tensor
) -> Iterator[Intervention]:
    questions, messages = undisturbed.receiver_bits[:, others], undisturbed.sender_bits[:, others]
    # The Receiver's last message is never read.
    everywhere, answered = range(game.max_exchanges), range(game.max_exchanges - 1)
    for t in answered:
        yield Intervention("other_question", t + 1, MessageEdit("receiver", [t], Replace, questions))
    for t in everywhere:
        yield Intervention("other_message", t + 1, MessageEdit("sender", [t], Replace, messages))
    if answered:
        yield Intervention("all_questions", None, MessageEdit("receiver", answered, Replace, questions))
    yield Intervention("all_messages", None, MessageEdit("sender", everywhere, Replace, messages))


def other_images(targets: Tensor) -> Tensor:
    """Return a random other image ``[N]`` for each: of another class, or of the same if there is only one class.

    Parameters
    ----------
    targets
        ``[N]`` class of each image; N is at least 2.
    """
    drawn = uniforms([0], "another image", 0, (len(targets),))[0].double()
    # An image is never drawn from its own group: its class, or only itself if there is a single class.
    groups = targets if len(targets.unique()) > 1 else torch.arange(len(targets))
    order, (_, group, sizes) = (
        groups.argsort(stable=True),
        torch.unique(groups, return_inverse=True, return_counts=True),
    )
    own, before = sizes[group], (sizes.cumsum(0) - sizes)[group]
    place = (drawn * (len(targets) - own)).long()
    found: Tensor = order[torch.where(place >= before, place + own, place)]
    return found


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
            require_memory_for_interventions(len(spec.places), len(spec.labels), question.name)
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
    possible = iter_interventions(checkpoint.game, before.dialogue, spec.part.targets)
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
    if not of_questions or not make_channel(checkpoint.game).discrete:
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
