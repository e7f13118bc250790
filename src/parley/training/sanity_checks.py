"""Check the invariants of the game at each training step, for developers; slow, and enabled by `training.checks`."""

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from parley.core.errors import ParleyError
from parley.game.agents import Agents
from parley.game.channel import make_channel
from parley.game.losses import LossStep, dialogue_lengths
from parley.game.settings import GameSettings


def check_step(loss_step: LossStep, agents: Agents, game: GameSettings, seeds: Sequence[int], step: int) -> None:
    """Check the dialogues and losses of a training step, and the weights after the step.

    Parameters
    ----------
    loss_step
        Dialogues and losses of the step.
    agents
        The networks after the step.
    game
        Settings of the game.
    seeds
        The agents' seeds, for error messages.
    step
        Number of the step, from 1, for error messages.

    Raises
    ------
    ParleyError
        If an invariant is violated; lists every violated invariant and the seeds that violate it.
    """
    findings = []
    for what, holds in _invariants(loss_step, agents, game):
        if wrong := [seed for seed, right in zip(seeds, holds.tolist(), strict=True) if not right]:
            findings.append(f"training.checks: at step {step}, {what} (seed {', '.join(map(str, wrong))}).")
    if findings:
        raise ParleyError(findings)


def _invariants(loss_step: LossStep, agents: Agents, game: GameSettings) -> Iterator[tuple[str, Tensor]]:
    """Yield, for each invariant, the error message and whether the invariant is satisfied for each seed, ``[S]``."""
    losses, replay, packed = loss_step
    if make_channel(game).samples_bits:
        for agent, messages in (("Sender", replay.sender_messages), ("Receiver", replay.receiver_messages)):
            yield f"messages of the {agent} have values other than 0 and 1", _all(_is_bit(messages))
    yield "decisions to go on have values other than 0 and 1", _all(_is_bit(replay.go_on))
    yield "scores at the last exchange of a dialogue are not finite", _all(replay.final_scores.isfinite())
    for name in Agents._fields:
        yield f"the loss of the network {name} is not finite", getattr(losses, name).isfinite()
    length = dialogue_lengths(packed)
    yield (
        f"a dialogue has fewer than 1 or more than {game.max_exchanges} exchanges",
        _all((length >= 1) & (length <= game.max_exchanges)),
    )
    if game.adaptive:
        continued = torch.zeros_like(packed.mask).scatter_add_(1, packed.previous, packed.mask[:, packed.batch :])
        yield "a dialogue went on after the decision to stop", _all((continued == 0) | (replay.go_on == 1))
    else:
        yield f"a dialogue ended before {game.max_exchanges} exchanges", _all(length == game.max_exchanges)
    for name, network in agents._asdict().items():
        for parameter_name, parameter in network.named_parameters():
            yield f"the weights {name}.{parameter_name} are not finite", _all(parameter.isfinite())


def _is_bit(values: Tensor) -> Tensor:
    # On a differentiable channel, each bit is computed as a sum, so it has rounding errors.
    return (values - (values > 0.5).to(values.dtype)).abs() < 1e-5


def _all(values: Tensor) -> Tensor:
    return values.flatten(1).all(1)
