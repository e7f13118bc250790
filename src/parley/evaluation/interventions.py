"""Interventions on the messages of a trained run: flip bits, or replace messages by messages about another image.

Random choices are the same for every seed, and for every run with the same number of bits and exchanges.
Shapes: T exchanges, N images, d bits per message.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from parley.config.memory_budget import require_memory_for_interventions
from parley.core.files import write_json
from parley.core.progress import tracked
from parley.evaluation.evaluate import EvalBatchSpec, EvalInputs, iter_eval_sets, rollout_inputs
from parley.game.channel import ExtraPerturbations, Perturbation, corrupt, make_channel, needs_flip_noise, replace
from parley.game.rng import uniforms
from parley.game.settings import GameSettings
from parley.game.types import Dialogue, DialogueSummary
from parley.interaction.eval_sets import UNSEEN_PARTS
from parley.interaction.run import nominal_batch, score, summarize_split
from parley.metrics.influence import UNITS, answers_changed, bits_changed, prediction_shift
from parley.training.checkpoint import Checkpoint, load_checkpoint

Speaker = Literal["sender", "receiver"]


class MessageEdit(NamedTuple):
    """A change to the messages that one agent sends, specified for each exchange and image."""

    speaker: Speaker
    exchanges: Sequence[int]
    """Exchanges at which messages are changed, from 0."""
    effect: Callable[[Tensor, Tensor, Tensor | None], Tensor]
    """The function `corrupt` or `replace`. Its first argument is the slice of `values` for one exchange and batch."""
    values: Tensor
    """``[T, N, d]``: for `corrupt`, a mask of the bits to flip; for `replace`, the new messages."""

    @property
    def is_noop(self) -> bool:
        """Whether the edit changes no message because its mask selects no bit."""
        return self.effect is corrupt and not self.values.any()

    def of_rows(self, rows: Tensor) -> ExtraPerturbations:
        """Return the change as perturbations of the dialogues about the images in the given rows."""
        steps = range(len(self.values))
        changed: list[list[Perturbation]]
        changed = [[partial(self.effect, self.values[t, rows])] if t in self.exchanges else [] for t in steps]
        unchanged: list[list[Perturbation]] = [[] for _ in steps]
        sender = self.speaker == "sender"
        return ExtraPerturbations(*((changed, unchanged) if sender else (unchanged, changed)))


class Intervention(NamedTuple):
    """An intervention under which a run is evaluated, or the baseline without an intervention."""

    name: str
    value: int | None
    """Number of flipped bits, index of a bit (from 0) or of an exchange (from 1); None for other interventions."""
    edit: MessageEdit | None
    """The change to the messages; None for the baseline."""


def iter_interventions(
    game: GameSettings, dialogues: Dialogue | DialogueSummary, targets: Tensor
) -> Iterator[Intervention]:
    """Yield every intervention that is possible with the given game settings, starting with the baseline.

    Parameters
    ----------
    game
        Settings of the game. Bits are flipped only on a discrete channel. The Receiver's messages are changed only if
        there is more than one exchange, because the Sender does not read the Receiver's last message.
    dialogues
        The dialogues without an intervention. Their messages are used as replacements.
    targets
        ``[N]``: the class of each image.
    """
    yield Intervention("none", None, None)
    if make_channel(game).discrete:
        yield from _flips(dialogues.sender_bits.shape)
    if len(targets) > 1:
        yield from _replacements(dialogues, other_images(targets))


def _flips(shape: torch.Size) -> Iterator[Intervention]:
    """Yield the interventions that flip bits of messages with the shape ``[T, N, d]``."""
    steps, images, bits = shape
    everywhere, answered = range(steps), range(steps - 1)
    sender, receiver = _bit_ranking("Sender", shape), _bit_ranking("Receiver", shape)
    for count in bit_counts(bits):
        yield Intervention("flipped_bits", count, MessageEdit("sender", everywhere, corrupt, sender < count))
    for t in everywhere:
        yield Intervention("flipped_exchange", t + 1, MessageEdit("sender", [t], corrupt, sender < (bits + 1) // 2))
    for bit in range(bits):
        mask = (torch.arange(bits) == bit).expand(steps, images, bits)
        yield Intervention("flipped_place", bit, MessageEdit("sender", everywhere, corrupt, mask))
    for count in bit_counts(bits) if answered else []:
        yield Intervention("flipped_questions", count, MessageEdit("receiver", answered, corrupt, receiver < count))


def bit_counts(bits: int) -> list[int]:
    """Return the numbers of bits to flip in a message of d bits: 0, the powers of two below d, and d."""
    return [0, *(2**power for power in range(bits.bit_length()) if 2**power < bits), bits]


def _bit_ranking(whose: str, shape: torch.Size) -> Tensor:
    """Return random ranks ``[T, N, d]`` of the bits of each message. The bits with ranks below n are n random bits."""
    drawn = uniforms([0], f"flipped bits of the {whose}", 0, tuple(shape))[0]
    return drawn.argsort(dim=-1, stable=True).argsort(-1)


def _replacements(dialogues: Dialogue | DialogueSummary, others: Tensor) -> Iterator[Intervention]:
    """Yield the interventions that replace messages by those about another image; `others` ``[N]`` are their rows."""
    questions, messages = dialogues.receiver_bits[:, others], dialogues.sender_bits[:, others]
    # The Receiver's message in the last exchange is never replaced, because the Sender does not read it.
    everywhere, answered = range(len(messages)), range(len(messages) - 1)
    for t in answered:
        yield Intervention("other_question", t + 1, MessageEdit("receiver", [t], replace, questions))
    for t in everywhere:
        yield Intervention("other_message", t + 1, MessageEdit("sender", [t], replace, messages))
    if answered:
        yield Intervention("all_questions", None, MessageEdit("receiver", answered, replace, questions))
    yield Intervention("all_messages", None, MessageEdit("sender", everywhere, replace, messages))


def other_images(targets: Tensor) -> Tensor:
    """Return, for each image, the row of a random other image ``[N]``; of another class if there are several.

    Parameters
    ----------
    targets
        ``[N]``: the class of each image; N is at least 2.
    """
    drawn = uniforms([0], "another image", 0, (len(targets),))[0].double()
    # The other image is not in the image's group, which is its class, or the image alone if there is only one class.
    groups = targets if len(targets.unique()) > 1 else torch.arange(len(targets))
    order = groups.argsort(stable=True)
    _, group, sizes = torch.unique(groups, return_inverse=True, return_counts=True)
    own, before = sizes[group], (sizes.cumsum(0) - sizes)[group]
    index = (drawn * (len(targets) - own)).long()
    found: Tensor = order[torch.where(index >= before, index + own, index)]
    return found


BATCH = 256
"""Images per batch. A large batch saves time, because every image is evaluated under dozens of interventions."""
MOST_SCORES = 20_000_000
"""Maximum number of scores in a batch (80 MB). With very many candidates, a batch has fewer than `BATCH` images."""
FLIPS = ("none", "flipped_bits")
"""Names of the interventions that are part of every evaluation."""


def intervene(inputs: EvalInputs, ks: tuple[int, int], out: str | Path, only: Collection[str] | None = None) -> None:
    """Evaluate a run's selected checkpoint on every split under the interventions, and write `interventions.json`.

    Parameters
    ----------
    inputs
        Paths of the checkpoint and the splits. On splits of unseen classes, training classes are candidates too.
    ks
        K of accuracy@K for splits of training classes, and K for splits of unseen classes.
    out
        Path of the file to write.
    only
        Names of the interventions to run; None to run all.
    """
    checkpoint, about = load_checkpoint(inputs.checkpoint_path), inputs.about
    found = {}
    for eval_set, spec in iter_eval_sets(checkpoint, inputs):
        name, images = eval_set.name, len(spec.target_index)
        if name == eval_set.part:
            require_memory_for_interventions(images, len(spec.labels), name)
            what = f"intervene in {about['run']}/{about['seed']}, {name}"
            rows = intervened(checkpoint, spec, ks[name in UNSEEN_PARTS], only, what)
            found[name] = {"n": images, "rows": rows}
    write_json(out, {**about, "step": checkpoint.step, "units": UNITS, "parts": found})


def intervened(
    checkpoint: Checkpoint, spec: EvalBatchSpec, k: int, only: Collection[str] | None = None, what: str = "intervene"
) -> list[dict[str, Any]]:
    """Evaluate a checkpoint under every intervention; return its name, strength (unit: `UNITS`) and metrics.

    Parameters
    ----------
    checkpoint
        The run's checkpoint.
    spec
        The images and the candidates.
    k
        The K of accuracy@K.
    only
        Names of the interventions to run; None to run all.
    what
        Name of the work, shown in the progress log.
    """
    game = checkpoint.game
    size = min(BATCH, max(1, MOST_SCORES // (game.max_exchanges * len(spec.labels))))
    if game.shuffle != "none" or needs_flip_noise(game, training=False):
        # Shuffling and flip noise depend on the batch size, so the batch size of `evaluate` is used.
        size = checkpoint.training.dev_batch_size
    setup = rollout_inputs(checkpoint, spec)._replace(batch_size=size)
    before = summarize_split(setup, None)
    rows = []
    possible = iter_interventions(game, before, spec.part.targets)
    wanted = [one for one in possible if only is None or one.name in only]
    for one in tracked(wanted, what, len(wanted), "intervention"):
        idle = one.edit is None or one.edit.is_noop
        after = before if idle else summarize_split(setup, one.edit)
        measures = _measures(checkpoint, spec, before, after, one.edit, k)
        rows.append({"intervention": one.name, "value": one.value, "measures": measures})
    return rows


def _measures(
    checkpoint: Checkpoint,
    spec: EvalBatchSpec,
    before: DialogueSummary,
    after: DialogueSummary,
    edit: MessageEdit | None,
    k: int,
) -> dict[str, float | None]:
    """Compute an intervention's metrics from the dialogues without and with it; undefined metrics are None."""
    of_questions = edit is not None and edit.speaker == "receiver"
    names = [name for name in UNITS if edit is not None or name in ("accuracy@1", "accuracy@k", "length")]
    if not of_questions or not make_channel(checkpoint.game).discrete:
        names = [name for name in names if name != "bits_changed"]
    if not (before.all_finite and after.all_finite):
        return dict.fromkeys(names)
    first, final = before.final_scores.numpy(), after.final_scores.numpy()
    counted = score(after, spec.target_index, k, nominal_batch(checkpoint.game, checkpoint.training.dev_batch_size))
    found: dict[str, float | None] = {
        **{name: counted[name] for name in ("accuracy@1", "accuracy@k", "length")},
        "answers_changed": answers_changed(first, final),
        "prediction_shift": prediction_shift(first, final),
    }
    if edit is not None and of_questions:
        sent_before, sent_after = before.sender_bits.numpy(), after.sender_bits.numpy()
        following = [t + 1 for t in edit.exchanges]
        found["bits_changed"] = bits_changed(sent_before, sent_after, before.active.numpy(), following)
    return {name: found[name] for name in names}
