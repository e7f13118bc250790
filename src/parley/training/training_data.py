"""What a run learns from: standardised parts, with targets as places among the candidates."""

from typing import NamedTuple

import torch
from torch import Tensor

from parley.core.errors import ParleyError
from parley.game.settings import GameSettings
from parley.game.types import Descriptions
from parley.interaction.run import ImageDataset, input_widths
from parley.interaction.split_data import Candidates, Part, require_descriptions, target_index_of
from parley.interaction.standardize import Standardizer, fit, fit_words
from parley.training.checkpoint import Sizes


class TrainingData(NamedTuple):
    """The train part to learn from and the dev part to be examined on."""

    train_images: ImageDataset
    train_target_index: Tensor
    dev_images: ImageDataset
    dev_target_index: Tensor
    descriptions: Descriptions
    dev_descriptions: Descriptions
    """Those read in evaluation; the same unless others are given."""
    candidate_ids: list[int]
    labels: list[str]
    """Names of the candidates."""
    standardizer: Standardizer
    sizes: Sizes


def build_training_data(
    train: Part,
    dev: Part,
    candidates: Candidates,
    game: GameSettings,
    k: int = 1,
    dev_candidates: Candidates | None = None,
) -> TrainingData:
    """Fit the standardisation on the train part and apply it; the candidates are the train part's classes.

    Parameters
    ----------
    train, dev
        The parts.
    candidates
        Every described class.
    game
        Settings.
    k
        The K of accuracy@K, which must leave something to be wrong about.
    dev_candidates
        The same classes as they are described in evaluation, where that is otherwise.

    Raises
    ------
    ParleyError
        When the parts and the descriptions do not fit together.
    """
    if not len(train.targets):
        raise ParleyError("The train part holds no image; check the counts of `split` in the config.")
    ids = train.targets.unique().tolist()
    require_descriptions(ids, candidates, "The train part")
    if k > len(ids):
        raise ParleyError(
            f"evaluation.k is {k}, but the train part has {len(ids)} classes; set it to {len(ids)} or less."
        )
    read_in_dev = candidates if dev_candidates is None else dev_candidates
    require_descriptions(ids, read_in_dev, "The train part")
    standardizer = fit(train.images, game.standardize)
    width, context_width = input_widths(train)
    chosen = torch.tensor(ids)
    read = candidates.descriptions.take(chosen)
    standardizer = standardizer._replace(words=fit_words(read, game.standardize_descriptions))
    return TrainingData(
        standardizer.apply(train.images),
        target_index_of(train.targets, ids, "The train part"),
        standardizer.apply(dev.images),
        target_index_of(dev.targets, ids, "The dev part"),
        standardizer.read(read),
        standardizer.read(read_in_dev.descriptions.take(chosen)),
        ids,
        [candidates.labels[label] for label in ids],
        standardizer,
        Sizes(width, candidates.descriptions.vectors.shape[-1], context_width),
    )
