"""Settings of the runs of a complete config, and the layers of features that runs and the linear classifier use."""

from collections.abc import Set

from parley.config.schema import Config
from parley.core.errors import ParleyError, did_you_mean
from parley.game.settings import GameSettings


def run_settings(config: Config, run_name: str) -> Config:
    """Return one run's game and training settings. The run's settings override those of the config."""
    for run in config["runs"]:
        if run["name"] == run_name:
            return {
                "game": {**config["game"], **run["game"]},
                "training": {**config["training"], **run["training"]},
            }
    names = [run["name"] for run in config["runs"]]
    hint = did_you_mean(run_name, names, f"the runs are {', '.join(names)}.")
    raise ParleyError(f"Config: there is no run {run_name!r}; {hint}")


def attending_runs(config: Config) -> list[str]:
    """Return the names of the runs in which an agent has attention."""
    games = {run["name"]: GameSettings(**{**config["game"], **run["game"]}) for run in config["runs"]}
    return [name for name, game in games.items() if game.attends]


def needed_layers(config: Config) -> dict[str, Set[str]]:
    """Return a mapping from each run's name to the layers, or datasets of feature files, that the run needs."""
    needed: dict[str, Set[str]] = {}
    for run in config["runs"]:
        game = {**config["game"], **run["game"]}
        attends = game["preset"].endswith("Attention")
        seen = game["image_layer"] if game["image_layer"] != "auto" else ("map" if attends else "pooled")
        needed[run["name"]] = {seen, "logits" if attends and game["attention_context"] else seen}
    return needed


def classifier_layers(config: Config) -> list[str]:
    """Return the layers for the linear classifier, which uses the first that the files have. May be empty."""
    if config["source"]["kind"] != "features":
        return [layer for layer in ("pooled", "logits") if layer in config["features"]["layers"]]
    seen = [{**config["game"], **run["game"]}["image_layer"] for run in config["runs"]]
    return list(dict.fromkeys(["pooled", "logits", *(layer for layer in seen if layer not in ("auto", "map"))]))


def has_classifier(config: Config) -> bool:
    """Return whether the linear classifier has what it needs: vectors, and probably a dev split of seen classes."""
    among = {(config["training"] | run["training"])["dev_candidates"] for run in config["runs"]}
    return among <= {"seen"} and bool(classifier_layers(config))
