"""Run agents on all images of a split, batch by batch, and compute the metrics of the dialogues."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor

from parley.core.progress import Progress
from parley.game.agents import Agents
from parley.game.channel import ExtraPerturbations, needs_flip_noise
from parley.game.rng import permutation, uniforms
from parley.game.rollout import rollout
from parley.game.settings import GameSettings
from parley.game.types import Descriptions, Dialogue, DialogueSummary, Images, RandomDraws
from parley.interaction.per_example_metrics import BatchBuffer, MetricAccumulator, aggregate, per_example
from parley.interaction.split_data import Maps, Part

IMAGE_AXIS = 2
"""Index of the image axis in the fields of a `Dialogue` of S seeds."""


class DevResult(NamedTuple):
    """Results of one seed on the dev split."""

    shown: Dialogue
    """Dialogues about the images whose rows were passed to `evaluate_batches` as `shown`."""
    result: dict[str, Any] | None
    """The metrics documented at `score`; None if any value of the dialogues is not finite."""


class Batch(NamedTuple):
    """A batch of B images on the agents' device."""

    rows: Tensor
    """``[B]`` int64: row of each image in the split, on the CPU."""
    images: Images
    draws: RandomDraws | None
    """Random numbers for flipping bits; None if no bits are flipped."""


class ImageDataset(Protocol):
    """The N images of a split, in memory or on disk."""

    def take(self, rows: Tensor) -> Images:
        """Return the images of the given rows as float32."""


class InterventionFn(Protocol):
    """An intervention on messages: perturbations that are applied after those in the game settings."""

    def of_rows(self, rows: Tensor) -> ExtraPerturbations:
        """Return the perturbations of the dialogues about the images of the given rows."""


class RolloutInputs(NamedTuple):
    """The agents of S seeds, and the split on which they are run."""

    agents: Agents
    images: ImageDataset
    """The N images of the split, standardised."""
    target_index: Tensor
    """``[N]`` int64: index of each target among the candidates."""
    descriptions: Descriptions
    """Descriptions of the candidates."""
    game: GameSettings
    batch_size: int
    """Number of images per batch. Results depend on it only if messages are shuffled or bits are flipped."""


def rollout_split(setup: RolloutInputs, intervention: InterventionFn | None = None) -> Dialogue:
    """Return the dialogues of S seeds about all images of a split: all T exchanges, with rounded bits."""
    buffer = BatchBuffer(len(setup.target_index), [IMAGE_AXIS] * len(Dialogue._fields))
    for batch, dialogue in _rollout_batches(setup, intervention):
        buffer.put(batch.rows, dialogue)
    return Dialogue(*(buffer.tensors or ()))


def summarize_split(setup: RolloutInputs, intervention: InterventionFn | None = None) -> DialogueSummary:
    """Return the dialogues of the first seed about all images of a split, with only the final scores."""
    axes = [0 if name in ("final_scores", "finite") else 1 for name in DialogueSummary._fields]
    buffer = BatchBuffer(len(setup.target_index), axes)
    for batch, dialogue in _rollout_batches(setup, intervention):
        buffer.put(batch.rows, dialogue.of(0).summary)
    return DialogueSummary(*(buffer.tensors or ()))


def evaluate_batches(setup: RolloutInputs, k: int, shown: Sequence[int] = ()) -> list[DevResult]:
    """Evaluate the agents of S seeds on all images, with the scores of only one batch in memory at a time.

    Parameters
    ----------
    setup
        The agents and the split.
    k
        The K of accuracy@K.
    shown
        Rows of the images whose dialogues are returned, in this order.

    Returns
    -------
    list of DevResult
        One result per seed.
    """
    images, rows = len(setup.target_index), torch.tensor(shown, dtype=torch.int64)
    accumulators = [MetricAccumulator(images) for _ in range(setup.agents.sender.seeds)]
    buffer = BatchBuffer(len(rows), [IMAGE_AXIS] * len(Dialogue._fields))
    with Progress(f"count {images:,} dialogues", images, "image", brief=True) as progress:
        for batch, dialogue in _rollout_batches(setup):
            for seed, accumulator in enumerate(accumulators):
                accumulator.add(dialogue.of(seed), batch.rows, setup.target_index[batch.rows], k)
            found, position = (rows[:, None] == batch.rows).nonzero(as_tuple=True)
            buffer.put(found, (field[:, :, position] for field in dialogue))
            progress.advance(len(batch.rows))
    dialogues = Dialogue(*(buffer.tensors or ()))
    nominal, candidates = nominal_batch(setup.game, setup.batch_size), len(setup.descriptions.vectors)
    return [
        DevResult(dialogues.of(seed), accumulator.result(k, candidates, nominal))
        for seed, accumulator in enumerate(accumulators)
    ]


def _rollout_batches(
    setup: RolloutInputs, intervention: InterventionFn | None = None
) -> Iterator[tuple[Batch, Dialogue]]:
    """Yield each batch with its dialogues, which are moved to the CPU."""
    sender, receiver = setup.agents.sender, setup.agents.receiver
    for batch in batches(setup):
        extra = None if intervention is None else intervention.of_rows(batch.rows)
        dialogue = rollout(sender, receiver, batch.images, setup.descriptions, batch.draws, False, extra)
        yield batch, Dialogue(*(field.cpu() for field in dialogue))


def batches(setup: RolloutInputs) -> Iterator[Batch]:
    """Yield the images of a split in batches on the agents' device."""
    count, weight = len(setup.target_index), setup.agents.example_parameter
    # Shuffling replaces each message by that of the preceding image, which in file order often has the same class.
    order = torch.arange(count) if setup.game.shuffle == "none" else permutation(0, "shuffle", 0, count)
    for number, rows in enumerate(order.split(setup.batch_size)):
        images = to_device(setup.images.take(rows), weight.device, weight.dtype)
        draws = None
        if needs_flip_noise(setup.game, training=False):
            # The random numbers are the same for every seed and run.
            flips = uniforms([0], "flips in evaluation", number, flip_shape(setup.game, len(rows)), weight.device)
            draws = RandomDraws(None, flips.expand(len(weight), -1, -1, -1))
        yield Batch(rows, images, draws)


def to_device(images: Images, device: torch.device, dtype: torch.dtype) -> Images:
    """Move images to a device and convert them to a dtype."""
    context = None if images.context is None else images.context.to(device, dtype, non_blocking=True)
    return Images(images.features.to(device, dtype, non_blocking=True), context)


def flip_shape(game: GameSettings, batch: int) -> tuple[int, int, int]:
    """Return ``(T, B, 2d)``, the shape of random numbers for flipping the bits of both agents' messages."""
    return game.max_exchanges, batch, 2 * game.message_bits


def ranks(scores: Tensor, target_index: Tensor) -> Tensor:
    """Return the rank of each target ``[N]`` among the scores ``[N, K]``; rank 1 is the highest score.

    A target ranks last among equal scores, so that constant scores do not give it rank 1.
    """
    own = scores.gather(1, target_index[:, None])
    return (scores >= own).sum(1)


def score(
    dialogue: Dialogue | DialogueSummary, target_index: Tensor, k: int, nominal_batch: int | None = None
) -> dict[str, Any]:
    """Compute the metrics of one seed's dialogues.

    Parameters
    ----------
    dialogue
        Dialogues of one seed about N images.
    target_index
        ``[N]`` int64: index of each target among the candidates.
    k
        The K of accuracy@K. If there are fewer candidates, their number is used.
    nominal_batch
        Batch size, to compute accuracies as in the original implementation (Evtimova et al., 2018): hits divided by the
        number of batches times this size. If None, hits are divided by the number of images.

    Returns
    -------
    dict
        Number ``n`` of images; number of ``candidates``; ``k``; ``accuracy@1``, ``accuracy@k`` and their chance levels
        ``chance@1``, ``chance@k``; and means: ``nll`` in nats; ``length`` in exchanges; ``length_original``, the number
        of decisions to continue, as in the original implementation; ``hamming_sender`` and ``hamming_receiver``, the
        number of bits in which an agent's message differs from its previous message.
    """
    candidates = dialogue.final_scores.shape[-1]
    return aggregate(per_example(dialogue, target_index, k), k, candidates, nominal_batch)


def nominal_batch(game: GameSettings, batch_size: int) -> int | None:
    """Return the argument `nominal_batch` of `score`: the batch size for ``accuracy_count: original``, else None."""
    return batch_size if game.accuracy_count == "original" else None


def input_widths(part: Part) -> tuple[int, int]:
    """Return the widths of a split's features and of its context vectors (1000 for a split without context vectors)."""
    images = part.images
    width = images.rows.shape[1] if isinstance(images, Maps) else images.features.shape[-1]
    return width, 1000 if images.context is None else images.context.shape[-1]
