"""Run the package's game on a literal case: plain arrays in, plain arrays out.

The case's agents run as the second of two seeds, so that a leak between seeds would change the results.
"""

from typing import Any

import numpy as np
import torch
from game.literal_cases import Case
from torch import Tensor

from parley.game.agents import Agents, make_agents
from parley.game.losses import EntropyWeights, compute_losses
from parley.game.rollout import rollout
from parley.game.settings import GameSettings
from parley.game.types import Descriptions, Dialogue, Images, RandomDraws
from parley.training.trainer import METRICS, step_metrics

HIDDEN = (
    "sender_hidden",
    "receiver_hidden",
    "baseline_hidden",
    "sender_attention_hidden",
    "receiver_attention_hidden",
)
SEEDS, SEED_INDEX = 2, 1
NAMES = {
    "code_bias": "opening_code",
    "listen.weight_ih_l0": "listen.weight_ih",
    "listen.weight_hh_l0": "listen.weight_hh",
    "listen.bias_ih_l0": "listen.bias_ih",
    "listen.bias_hh_l0": "listen.bias_hh",
}
"""The package's names of parameters that the literal game names as the 2017 code or torch does."""


def has_options(options: dict[str, Any]) -> bool:
    """Return whether the package has all these options."""
    return set(options) <= set(GameSettings.__dataclass_fields__)


def train(case: Case, compact_finished: bool = True) -> dict[str, Any]:
    """Roll out a batch and compute losses and gradients, as a training step does.

    Parameters
    ----------
    case
        The game.
    compact_finished
        Whether finished dialogues are dropped from the batch.

    Returns
    -------
    dict
        The dialogues, ``[T, B, ...]``; the four losses by network; ``reward`` and ``log_likelihood`` ``[B]``;
        ``accuracies``, accuracy@k for each k from 1 to the number of candidates;
        ``gradients`` of the sum of the losses by network and parameter.
    """
    agents, images, descriptions, game = _given(case)
    weights = EntropyWeights(case.training.sender_entropy, case.training.receiver_entropy, case.training.stop_entropy)
    draws = RandomDraws(_repeat_seeds(case.uniforms), _repeat_seeds(case.flips))
    dialogue = rollout(agents.sender, agents.receiver, images, descriptions, draws)
    targets = _repeat_seeds(case.targets)
    step = compute_losses(agents, images, descriptions, targets, draws, game, weights, compact_finished)
    found, at_k = step.losses, METRICS.index("accuracy@k")
    found.total.backward()
    return {
        **_dialogue_arrays(dialogue),
        **{name: getattr(found, name)[SEED_INDEX].detach().numpy() for name in agents._fields},
        "reward": found.reward[SEED_INDEX].numpy(),
        "log_likelihood": -found.nll[SEED_INDEX].numpy(),
        "accuracies": [
            float(step_metrics(step, targets, k)[at_k, SEED_INDEX]) for k in range(1, case.sizes.candidates + 1)
        ],
        "gradients": {name: _gradients(network) for name, network in agents._asdict().items()},
    }


def evaluate(case: Case) -> dict[str, Any]:
    """Roll out a batch as in evaluation, all T exchanges."""
    agents, images, descriptions, _ = _given(case)
    draws = RandomDraws(None, _repeat_seeds(case.flips))
    return _dialogue_arrays(rollout(agents.sender, agents.receiver, images, descriptions, draws, sampled=False))


def _repeat_seeds(values: Any) -> Tensor:
    one = torch.tensor(values)
    return one.expand(SEEDS, *one.shape)


def _given(case: Case) -> tuple[Agents, Images, Descriptions, GameSettings]:
    hidden = {name: getattr(case.sizes, name) for name in HIDDEN}
    exchanges, bits = case.options.max_exchanges, case.options.message_bits
    game = GameSettings(**{**hidden, **case.changed, "max_exchanges": exchanges, "message_bits": bits})
    return _agents(case, game), _images(case), _descriptions(case), game


def _agents(case: Case, game: GameSettings) -> Agents:
    made = make_agents(game, case.sizes.channels, case.sizes.word_size, range(SEEDS), case.sizes.context)
    agents = made.to(torch.float64)
    for name, network in agents._asdict().items():
        own = {NAMES.get(key, key): torch.tensor(value) for key, value in case.weights[name].items()}
        beside = network.state_dict()
        assert beside.keys() == own.keys()
        network.load_state_dict({key: torch.stack([beside[key][0], value]) for key, value in own.items()})
    return agents


def _images(case: Case) -> Images:
    contexts = [example.context for example in case.examples if example.context is not None]
    return Images(
        torch.tensor(np.array([example.image for example in case.examples])),
        torch.tensor(np.array(contexts)) if contexts else None,
    )


def _descriptions(case: Case) -> Descriptions:
    vectors, words = case.examples[0].descriptions, case.examples[0].words or []
    padded = np.zeros((len(words), max(map(len, words)), vectors.shape[-1]))
    is_word = np.zeros(padded.shape[:2], bool)
    for row, description in enumerate(words):
        padded[row, : len(description)] = description
        is_word[row, : len(description)] = True
    return Descriptions(torch.tensor(vectors), torch.tensor(padded), torch.tensor(is_word))


def _dialogue_arrays(dialogues: Dialogue) -> dict[str, Any]:
    dialogue = dialogues.of(SEED_INDEX)
    arrays = {name: value.numpy() for name, value in dialogue._asdict().items()}
    return {**arrays, "prediction": dialogue.final_scores.argmax(-1).numpy(), "length": dialogue.last.numpy() + 1}


def _gradients(network: torch.nn.Module) -> dict[str, Any]:
    ours = {theirs: name for name, theirs in NAMES.items()}

    def of(parameter: Tensor) -> Any:
        return (torch.zeros_like(parameter) if parameter.grad is None else parameter.grad)[SEED_INDEX].numpy()

    return {ours.get(name, name): of(parameter) for name, parameter in network.named_parameters()}
