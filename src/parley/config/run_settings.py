"""Settings of the runs of a complete config, and the layers of features that runs and the linear classifier use."""

from collections.abc import Set

from parley.config.schema import Config
from parley.core.errors import ParleyError, did_you_mean
from parley.game.settings import GameSettings


def run_settings(config: Config, run_name: str) -> Config:
    """Return one run's game and training settings. The run's settings override those of the config."""
    for run in config["runs"]:
        if run["name"] == run_name:
            return _settings(config, run)
    names = [run["name"] for run in config["runs"]]
    hint = did_you_mean(run_name, names, f"the runs are {', '.join(names)}.")
    raise ParleyError(f"Config: there is no run {run_name!r}; {hint}")


def settings_of_runs(config: Config) -> dict[str, Config]:
    """Return the `run_settings` of each run, by name."""
    return {run["name"]: _settings(config, run) for run in config["runs"]}


def _settings(config: Config, run: Config) -> Config:
    return {section: {**config[section], **run[section]} for section in ("game", "training")}


def attending_runs(config: Config) -> list[str]:
    """Return the names of the runs in which an agent has attention."""
    return [name for name, run in settings_of_runs(config).items() if GameSettings(**run["game"]).attends]


def needed_layers(config: Config) -> dict[str, Set[str]]:
    """Return a mapping from each run's name to the layers, or datasets of feature files, that the run needs."""
    needed: dict[str, Set[str]] = {}
    for name, run in settings_of_runs(config).items():
        game = run["game"]
        attends = game["preset"].endswith("Attention")
        seen = game["image_layer"] if game["image_layer"] != "auto" else ("map" if attends else "pooled")
        needed[name] = {seen, "logits" if attends and game["attention_context"] else seen}
    return needed


def classifier_layers(config: Config) -> list[str]:
    """Return the layers for the linear classifier, which uses the first that the files have. May be empty."""
    if config["source"]["kind"] != "features":
        return [layer for layer in ("pooled", "logits") if layer in config["features"]["layers"]]
    seen = [run["game"]["image_layer"] for run in settings_of_runs(config).values()]
    return list(dict.fromkeys(["pooled", "logits", *(layer for layer in seen if layer not in ("auto", "map"))]))


def has_classifier(config: Config) -> bool:
    """Return whether the linear classifier has what it needs: vectors, and probably a dev split of seen classes."""
    among = {run["training"]["dev_candidates"] for run in settings_of_runs(config).values()}
    return among <= {"seen"} and bool(classifier_layers(config))
