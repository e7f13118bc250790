"""Problems of a config that its schema cannot express, such as repeated names."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict

from parley.config.claim_entries import contradictions
from parley.config.schema import Config
from parley.core.errors import ParleyError, did_you_mean
from parley.core.file_names import confusable_form, name_problems
from parley.dataset.sources import kind_of
from parley.game.settings import GameSettings
from parley.text.encoders import WORDS, parse_encoder


def inconsistencies(config: Config) -> Iterator[str]:
    """Yield an error message for each problem that the schema cannot express, such as repeated names."""
    source = config["source"]
    kind = source["kind"]
    for key in ("train", "dev", "test", "descriptions") if kind == "features" else kind_of(kind).needs_keys:
        if not source[kind][key]:
            yield f"Config: `source.kind` is {kind}, so `source.{kind}.{key}` must be given."
    games = [GameSettings(**{**config["game"], **run["game"]}) for run in config["runs"]]
    for run, game in zip(config["runs"], games, strict=True):
        yield from (f"Config, run {run['name']}: {sentence}" for sentence in game.contradictions())
    if config["evaluation"]["keep_attention"] and not any(game.attends for game in games):
        yield (
            "Config: `evaluation.keep_attention` is true, but no run has attention; set it to false, or give a run "
            "`game.description_attention` or a `game.preset` with Attention in its name."
        )
    yield from (f"Config: experiment is {config['experiment']!r}: {why}" for why in name_problems(config["experiment"]))
    names = [run["name"] for run in config["runs"]]
    yield from _name_complaints("run", names)
    bits = {run["name"]: game.message_bits for run, game in zip(config["runs"], games, strict=True)}
    yield from contradictions(config["claims"], bits)
    yield from _table_complaints(config["tables"], names)
    features = config["features"]
    if features["preprocessing"] == "custom" and features["custom"]["size"] is None:
        yield "Config: `features.preprocessing` is custom, so `features.custom.size` must be given."
    yield from _encoder_complaints(config)
    if source["kind"] != "features" and not config["classes"]:
        yield "Config: `classes` must be the path of the class set, a TSV; omit it only if `source.kind` is features."


def _encoder_complaints(config: Config) -> Iterator[str]:
    """Yield an error message for an unknown encoder of descriptions, and for settings that have no effect with one."""
    encoder = config["descriptions"]["encoder"]
    if encoder == WORDS:
        return
    try:
        parse_encoder(encoder)
    except ParleyError as error:
        yield from error.findings
        return
    # Imported here because it loads numpy.
    from parley.text.embed_words import VectorOptions

    for name, default in asdict(VectorOptions()).items():
        if config["words"][name] != default:
            yield (
                f"Config: words.{name} has no effect, because descriptions.encoder is {encoder}; remove it, or set "
                "descriptions.encoder to words."
            )


def _name_complaints(what: str, names: list[str]) -> Iterator[str]:
    """Yield an error message for each name of a run or table that is repeated or not a file name everywhere."""
    first: dict[str, str] = {}
    for name in names:
        yield from (f"Config: the {what} {name!r}: {problem}" for problem in name_problems(name))
        if (other := first.setdefault(confusable_form(name), name)) != name:
            yield f"Config: the {what}s {other!r} and {name!r} are the same file on some systems; rename one."
    for name in sorted(name for name, times in Counter(names).items() if times > 1):
        yield f"Config: two {what}s are called {name!r}; give each its own name."


def _table_complaints(tables: list[Config], runs: list[str]) -> Iterator[str]:
    """Yield an error message for each entry of `tables` with a repeated name or unknown runs."""
    yield from _name_complaints("table", [table["name"] for table in tables])
    for table in tables:
        if strays := [run for run in table["runs"] if run not in runs]:
            known = did_you_mean(strays[0], runs, f"the runs are {', '.join(runs)}.")
            yield f"Config: the table {table['name']} lists unknown runs: {', '.join(strays)}; {known}"
