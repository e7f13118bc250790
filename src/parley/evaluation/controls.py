"""Controls: play a trained run with some game settings changed.

If accuracy falls to chance when messages are replaced by those of another image, or by zeros, the messages carry
information about the image.
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
"""Game settings that can change for a trained run, because no parameter's shape or meaning depends on them."""


def under_control(checkpoint: Checkpoint, settings: Sequence[str], schema: Mapping[str, Any]) -> Checkpoint:
    """Return a checkpoint with some game settings changed; its weights stay the same.

    Parameters
    ----------
    checkpoint
        The checkpoint.
    settings
        ``key=value`` pairs of the config section `game`, such as ``shuffle=sender``.
    schema
        Schema of an experiment's config, to validate the settings.

    Raises
    ------
    ParleyError
        With one finding for each setting that is unknown, invalid or not a control.
    """
    if strays := [setting for setting in settings if setting.partition("=")[0].strip() not in CONTROLS]:
        raise ParleyError(
            f"--set {', '.join(strays)}: settings that can change for a trained run are {', '.join(CONTROLS)}."
        )
    run = {"experiment": "controls", "run": "controls", "seed": checkpoint.seed, "k": 1}
    run |= {"game": as_mapping(checkpoint.game), "training": as_mapping(checkpoint.training)}
    changed = overridden(run, [f"game.{setting}" for setting in settings], schema)
    game = GameSettings.from_mapping(changed["game"])
    sizes = checkpoint.sizes
    agents = make_agents(game, sizes.feature, sizes.word, [checkpoint.seed], sizes.context)
    for before, now in zip(checkpoint.agents, agents, strict=True):
        now.load_state_dict(before.state_dict())
    return checkpoint._replace(agents=agents, game=game)
