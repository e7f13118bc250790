"""Playing a trained run on a part of the data, and counting what came out."""

from collections.abc import Iterator, Mapping, Sequence
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
from parley.interaction.eval_sets import ALONE
from parley.interaction.per_example_metrics import BatchBuffer, MetricAccumulator, aggregate, per_example
from parley.interaction.split_data import Maps, Part

IMAGES_OF_SEEDS = 2
"""Which axis of what several seeds say is that of the images."""


class EvalSet(NamedTuple):
    """A part, and the candidates among which its images are to be named."""

    name: str
    """The part's name, with ``_alone`` where unseen classes are the only candidates."""
    part: str
    candidate_ids: list[int]


class SplitRollout(NamedTuple):
    """Dialogues about all images of a part."""

    dialogue: Dialogue
    target_index: Tensor
    """``[N]`` int64: the target's place among the candidates."""


class SplitSummary(NamedTuple):
    """How dialogues about all images of a part ended."""

    dialogue: DialogueSummary
    target_index: Tensor
    """``[N]`` int64: the target's place among the candidates."""


def eval_sets(seen: Sequence[int], unseen: Mapping[str, Sequence[int]]) -> list[EvalSet]:
    """Return what a run is asked, part by part.

    Parameters
    ----------
    seen
        Label ids of the in-domain classes; they stay candidates everywhere, as in the paper.
    unseen
        Label ids of the classes of ``ood`` and ``transfer``, where there are any. These parts are
        also asked with the unseen classes alone.
    """
    asked = [EvalSet(part, part, list(seen)) for part in ("train", "dev", "test")]
    for part, labels in unseen.items():
        if labels:
            asked.append(EvalSet(part, part, [*seen, *labels]))
            asked.append(EvalSet(f"{part}{ALONE}", part, list(labels)))
    return asked


class DevResult(NamedTuple):
    """What one seed's dialogues about a part came to, without their scores."""

    shown: Dialogue
    """The dialogues that were asked for."""
    result: dict[str, Any] | None
    """What `score` counts; None where not all that was said is finite numbers."""


class Batch(NamedTuple):
    """Images that are talked about at once."""

    rows: Tensor
    """``[B]`` int64: which of the part's images."""
    images: Images
    draws: RandomDraws | None
    """Random numbers, where bits are flipped."""


class ImageDataset(Protocol):
    """Images that can be taken by their rows: in memory or on disk, standardised or not."""

    def take(self, rows: Tensor) -> Images:
        """Return the images of the given rows, float32."""


class InterventionFn(Protocol):
    """Something that befalls messages besides what the settings say."""

    def of_rows(self, rows: Tensor) -> ExtraPerturbations:
        """Return what befalls the dialogues about the images of the given rows."""


class RolloutInputs(NamedTuple):
    """Who talks about what."""

    agents: Agents
    """The four networks, of S seeds."""
    images: ImageDataset
    """N images, standardised."""
    target_index: Tensor
    """``[N]`` int64: the target's place among the candidates."""
    descriptions: Descriptions
    """Of the candidates, in their order."""
    game: GameSettings
    batch_size: int
    """Images at once; the result does not depend on it, but where messages are shuffled."""


def rollout_split(setup: RolloutInputs, disturbance: InterventionFn | None = None) -> SplitRollout:
    """Let the agents of one seed talk about every image, with rounded bits and all T exchanges.

    Parameters
    ----------
    setup
        Who talks about what.
    disturbance
        What befalls messages besides.
    """
    return rollout_all_seeds(setup, disturbance)[0]


def rollout_all_seeds(setup: RolloutInputs, disturbance: InterventionFn | None = None) -> list[SplitRollout]:
    """Let the agents of S seeds talk about every image, as `rollout_split` does; one entry a seed."""
    whole = BatchBuffer(len(setup.target_index), [IMAGES_OF_SEEDS] * len(Dialogue._fields))
    for batch, said in _rollout_batches(setup, disturbance):
        whole.put(batch.rows, said)
    joined = Dialogue(*(whole.tensors or ()))
    return [SplitRollout(joined.of(seed), setup.target_index) for seed in range(_seeds(setup.agents))]


def summarize_split(setup: RolloutInputs, disturbance: InterventionFn | None = None) -> SplitSummary:
    """Let the agents of one seed talk about every image, as `rollout_split` does, and keep how it ended."""
    whole = BatchBuffer(
        len(setup.target_index), [0 if name in ("final_scores", "finite") else 1 for name in DialogueSummary._fields]
    )
    for batch, said in _rollout_batches(setup, disturbance):
        whole.put(batch.rows, said.of(0).summary)
    return SplitSummary(DialogueSummary(*(whole.tensors or ())), setup.target_index)


def evaluate_batches(setup: RolloutInputs, k: int, shown: Sequence[int] = ()) -> list[DevResult]:
    """Evaluate the agents of S seeds on every image, keeping the scores of one batch at a time.

    Parameters
    ----------
    setup
        Who talks about what.
    k
        The K of accuracy@K.
    shown
        Images, by their rows, the dialogues about which are returned, in this order.

    Returns
    -------
    list of DevResult
        One a seed.
    """
    target_index = setup.target_index
    wanted, there = torch.tensor(shown, dtype=torch.int64), []
    counts = [MetricAccumulator(len(target_index)) for _ in range(_seeds(setup.agents))]
    kept: list[Dialogue] = []
    with Progress(f"count {len(target_index):,} dialogues", len(target_index), "image", brief=True) as progress:
        for batch, said in _rollout_batches(setup):
            for seed, count in enumerate(counts):
                count.add(said.of(seed), batch.rows, target_index[batch.rows], k)
            among = torch.isin(batch.rows, wanted)
            if among.any() or not kept:
                kept.append(Dialogue(*(field[:, :, among] for field in said)))
                there.append(batch.rows[among])
            progress.advance(len(batch.rows))
    # Of the rows that were kept, where each of those wanted stands.
    at = (torch.cat(there) == wanted[:, None]).int().argmax(1) if len(wanted) else wanted
    told = Dialogue(*(torch.cat(column, 2)[:, :, at] for column in zip(*kept, strict=True)))
    nominal, candidates = nominal_batch(setup.game, setup.batch_size), len(setup.descriptions.vectors)
    return [DevResult(told.of(seed), count.result(k, candidates, nominal)) for seed, count in enumerate(counts)]


def _rollout_batches(
    setup: RolloutInputs, disturbance: InterventionFn | None = None
) -> Iterator[tuple[Batch, Dialogue]]:
    """Yield what is said about all images, batch by batch, on the CPU."""
    agents, images, target_index, descriptions, game, batch_size = setup
    for batch in batches(agents, images, len(target_index), game, batch_size):
        befalls = None if disturbance is None else disturbance.of_rows(batch.rows)
        said = rollout(agents.sender, agents.receiver, batch.images, descriptions, batch.draws, False, befalls)
        yield batch, Dialogue(*(field.cpu() for field in said))


def _seeds(agents: Agents) -> int:
    return int(agents.sender.hear.weight.shape[0])


def batches(agents: Agents, images: ImageDataset, count: int, game: GameSettings, batch_size: int) -> Iterator[Batch]:
    """Yield `count` images batch by batch, in the order in which they are talked about, where the agents are."""
    # Shuffled messages come from the next image of the batch: images of one class, which lie side by side in
    # a part, must not be neighbours there.
    order = torch.arange(count) if game.shuffle == "none" else permutation(0, "shuffle", 0, count)
    seeds, device = agents.sender.hear.weight.shape[0], agents.sender.hear.weight.device
    for number, rows in enumerate(order.split(batch_size)):
        taken = Images(*(None if part is None else part.to(device) for part in images.take(rows)))  # type: ignore[arg-type]
        yield Batch(rows, taken, _flips(game, seeds, number, len(rows), device))


def _flips(game: GameSettings, seeds: int, batch: int, size: int, device: torch.device) -> RandomDraws | None:
    """Return the numbers by which bits are flipped in evaluation, the same for every seed and run."""
    if not needs_flip_noise(game, training=False):
        return None
    flips = uniforms([0], "flips in evaluation", batch, (game.max_exchanges, size, 2 * game.message_bits), device)
    return RandomDraws(None, flips.expand(seeds, -1, -1, -1))


def ranks(scores: Tensor, target_index: Tensor) -> Tensor:
    """Return each target's rank ``[N]``, 1 = best, from scores ``[N, K]``.

    A target that ties with others stands behind them: constant scores must not look right.
    """
    own = scores.gather(1, target_index[:, None])
    return (scores >= own).sum(1)


def score(played: SplitRollout | SplitSummary, k: int, nominal_batch: int | None = None) -> dict[str, Any]:
    """Count what came out of a part.

    Parameters
    ----------
    played
        The dialogues.
    k
        The K of accuracy@K; where there are fewer candidates, their number.
    nominal_batch
        The size of a batch, to count accuracies as the 2017 code did: a short last batch is divided by what a
        full one holds. None counts the images that there are.

    Returns
    -------
    dict
        ``n``, ``candidates``, ``k``, accuracies with their chance, ``nll`` in nats, ``length`` in
        exchanges, ``length_original``: go-on bits, as the 2017 code counted them, and how many bits an agent's message
        differs from its last, ``hamming_sender`` and ``hamming_receiver``.
    """
    candidates = played.dialogue.final_scores.shape[-1]
    return aggregate(per_example(played.dialogue, played.target_index, k), k, candidates, nominal_batch)


def nominal_batch(game: GameSettings, batch_size: int) -> int | None:
    """Return what `score` divides a short last batch by: the 2017 code's count, or None for the right one."""
    return batch_size if game.accuracy_count == "original" else None


def input_widths(part: Part) -> tuple[int, int]:
    """Return the widths of features and context (1000, as ImageNet's logits, where there is none)."""
    images = part.images
    width = images.rows.shape[1] if isinstance(images, Maps) else images.features.shape[-1]
    return width, 1000 if images.context is None else images.context.shape[-1]
