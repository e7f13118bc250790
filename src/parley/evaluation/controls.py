"""Controls: a trained run played under other conditions than it was trained for.

What an agent says is nothing by itself; that accuracy falls to chance when messages are those of another image,
or zeros, shows that they carry the meaning.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from parley.config.overrides import overridden
from parley.core.errors import ParleyError
from parley.game.agents import make_agents
from parley.game.settings import GameSettings, as_mapping
from parley.training.checkpoint import Checkpoint

CONTROLS = (
    "shuffle",
    "ignore_receiver",
    "ignore_sender",
    "corrupt_bits",
    "flip_sender",
    "flip_receiver",
    "flip_in_evaluation",
    "stop_rule",
    "accuracy_count",
)
"""Settings of the game that change how a trained run is played and not what it is."""


def under_control(checkpoint: Checkpoint, settings: Sequence[str], schema: Mapping[str, Any]) -> Checkpoint:
    """Return a checkpoint that is played under other conditions.

    Parameters
    ----------
    checkpoint
        The checkpoint.
    settings
        ``key=value`` of the section `game`, such as ``shuffle=sender``.
    schema
        Of an experiment's config, to check them by.

    Raises
    ------
    ParleyError
        With a sentence for each that is unknown, wrong or no control.
    """
    if strays := [setting for setting in settings if setting.partition("=")[0].strip() not in CONTROLS]:
        raise ParleyError(f"--set {', '.join(strays)}: what can be set for a trained run is {', '.join(CONTROLS)}.")
    run = {"experiment": "controls", "run": "controls", "seed": checkpoint.seed, "k": 1}
    run |= {"game": as_mapping(checkpoint.game), "training": as_mapping(checkpoint.training)}
    changed = overridden(run, [f"game.{setting}" for setting in settings], schema)
    game = GameSettings.from_mapping(changed["game"])
    sizes = checkpoint.sizes
    agents = make_agents(game, sizes.feature, sizes.word, [checkpoint.seed], sizes.context)
    for before, now in zip(checkpoint.agents, agents, strict=True):
        now.load_state_dict(before.state_dict())
    return checkpoint._replace(agents=agents, game=game)
