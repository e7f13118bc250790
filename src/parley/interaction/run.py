"""Run agents on all images of a split, batch by batch, and score the dialogues."""

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
"""The axis of images in the fields of dialogues of S seeds."""


class DevResult(NamedTuple):
    """One seed's results on the dev split."""

    shown: Dialogue
    """The dialogues that were asked for."""
    result: dict[str, Any] | None
    """The metrics of `score`; None if any output is not finite."""


class Batch(NamedTuple):
    """B images, on the agents' device."""

    rows: Tensor
    """``[B]`` int64: rows of the split, on the CPU."""
    images: Images
    draws: RandomDraws | None
    """Random numbers, if bits are flipped."""


class ImageDataset(Protocol):
    """N images, in memory or on disk."""

    def take(self, rows: Tensor) -> Images:
        """Return the images of the given rows, float32."""


class InterventionFn(Protocol):
    """An intervention applied on top of the configured channel noise."""

    def of_rows(self, rows: Tensor) -> ExtraPerturbations:
        """Return the perturbations of the dialogues about the images of the given rows."""


class RolloutInputs(NamedTuple):
    """The agents of S seeds, and the split to run them on."""

    agents: Agents
    images: ImageDataset
    """N images, standardised."""
    target_index: Tensor
    """``[N]`` int64: index of the target among the candidates."""
    descriptions: Descriptions
    """Descriptions of the candidates."""
    game: GameSettings
    batch_size: int
    """Images per batch; results depend on it only if messages are shuffled or bits flipped."""


def rollout_split(setup: RolloutInputs, intervention: InterventionFn | None = None) -> Dialogue:
    """Return the dialogues of S seeds about every image, with rounded bits and all T exchanges."""
    buffer = BatchBuffer(len(setup.target_index), [IMAGE_AXIS] * len(Dialogue._fields))
    for batch, dialogue in _rollout_batches(setup, intervention):
        buffer.put(batch.rows, dialogue)
    return Dialogue(*(buffer.tensors or ()))


def summarize_split(setup: RolloutInputs, intervention: InterventionFn | None = None) -> DialogueSummary:
    """Return the same dialogues of a single seed, with the final scores only."""
    axes = [0 if name in ("final_scores", "finite") else 1 for name in DialogueSummary._fields]
    buffer = BatchBuffer(len(setup.target_index), axes)
    for batch, dialogue in _rollout_batches(setup, intervention):
        buffer.put(batch.rows, dialogue.of(0).summary)
    return DialogueSummary(*(buffer.tensors or ()))


def evaluate_batches(setup: RolloutInputs, k: int, shown: Sequence[int] = ()) -> list[DevResult]:
    """Evaluate the agents of S seeds on every image, with the scores of one batch in memory at a time.

    Parameters
    ----------
    setup
        The agents and the split.
    k
        The K of accuracy@K.
    shown
        Rows of the images whose dialogues to return, in this order.

    Returns
    -------
    list of DevResult
        One for each seed.
    """
    images, rows = len(setup.target_index), torch.tensor(shown, dtype=torch.int64)
    accumulators = [MetricAccumulator(images) for _ in range(_seeds(setup.agents))]
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
    """Yield the dialogues of each batch, on the CPU."""
    sender, receiver = setup.agents.sender, setup.agents.receiver
    for batch in batches(setup):
        extra = None if intervention is None else intervention.of_rows(batch.rows)
        dialogue = rollout(sender, receiver, batch.images, setup.descriptions, batch.draws, False, extra)
        yield batch, Dialogue(*(field.cpu() for field in dialogue))


def _seeds(agents: Agents) -> int:
    return int(agents.sender.hear.weight.shape[0])


def batches(setup: RolloutInputs) -> Iterator[Batch]:
    """Yield the images of a split batch by batch, on the agents' device."""
    count, weight = len(setup.target_index), setup.agents.sender.hear.weight
    # Shuffled messages come from the next image of the batch, and the images of a class are neighbours in a split.
    order = torch.arange(count) if setup.game.shuffle == "none" else permutation(0, "shuffle", 0, count)
    for number, rows in enumerate(order.split(setup.batch_size)):
        images = to_device(setup.images.take(rows), weight.device, weight.dtype)
        yield Batch(rows, images, _flips(setup, number, len(rows), weight.device))


def to_device(images: Images, device: torch.device, dtype: torch.dtype) -> Images:
    """Return images on a device in a dtype."""
    context = None if images.context is None else images.context.to(device, dtype, non_blocking=True)
    return Images(images.features.to(device, dtype, non_blocking=True), context)


def flip_shape(game: GameSettings, batch: int) -> tuple[int, int, int]:
    """Return ``(T, B, 2d)``, the shape of one random number for each bit of both agents' messages."""
    return game.max_exchanges, batch, 2 * game.message_bits


def _flips(setup: RolloutInputs, number: int, size: int, device: torch.device) -> RandomDraws | None:
    """Return the random numbers that flip bits in a batch, by its number; the same for every seed and run."""
    if not needs_flip_noise(setup.game, training=False):
        return None
    flips = uniforms([0], "flips in evaluation", number, flip_shape(setup.game, size), device)
    return RandomDraws(None, flips.expand(_seeds(setup.agents), -1, -1, -1))


def ranks(scores: Tensor, target_index: Tensor) -> Tensor:
    """Return each target's rank ``[N]``, 1 = best, from scores ``[N, K]``.

    A target that ties with others ranks behind them, so that constant scores are not right.
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
        The dialogues.
    target_index
        ``[N]`` int64: index of each target among the candidates.
    k
        The K of accuracy@K; the number of candidates if there are fewer.
    nominal_batch
        Batch size, to compute accuracies as the 2017 code did: a short last batch is divided by the size of a full
        one. None divides by the number of images.

    Returns
    -------
    dict
        ``n``; ``candidates``; ``k``; accuracies and their chance levels; ``nll`` in nats; ``length`` in exchanges;
        ``length_original``, the number of go-on bits, as in the 2017 code; ``hamming_sender`` and
        ``hamming_receiver``, the number of bits in which an agent's message differs from its previous one.
    """
    candidates = dialogue.final_scores.shape[-1]
    return aggregate(per_example(dialogue, target_index, k), k, candidates, nominal_batch)


def nominal_batch(game: GameSettings, batch_size: int) -> int | None:
    """Return the `nominal_batch` of `score` that the settings ask for."""
    return batch_size if game.accuracy_count == "original" else None


def input_widths(part: Part) -> tuple[int, int]:
    """Return the widths of a split's features and context; 1000, as of ImageNet's logits, without a context."""
    images = part.images
    width = images.rows.shape[1] if isinstance(images, Maps) else images.features.shape[-1]
    return width, 1000 if images.context is None else images.context.shape[-1]
