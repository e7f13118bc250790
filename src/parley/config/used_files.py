"""Which files in resources/ an experiment uses, according to its config and to the records of its jobs."""

import os
import re
from collections.abc import Iterable, Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any, NamedTuple

from parley.config.experiment import Experiment, read_experiment
from parley.config.options import network_options, source_options
from parley.config.paths import CACHE_FOLDER, WEIGHTS_FOLDER, WORDS_FOLDER
from parley.config.saved_configs import read_config
from parley.core.errors import ParleyError
from parley.core.files import is_web_url
from parley.core.tables import stream_table
from parley.dataset.listing import is_key
from parley.dataset.sources import open_source
from parley.dataset.sources.base import ARCHIVES_FOLDER
from parley.provenance.records import FOLDER as RECORDS
from parley.provenance.records import read_record, workflow_path
from parley.text.glosses import needs_wordnet
from parley.text.pretrained_vectors import copy_of
from parley.text.wordnet import WORDNET_FOLDER, downloaded_copy

RESPONSES = "cached responses"
_POOL, _DIGEST = "[^/]+-[0-9a-f]{8}", "[0-9a-f]{12}"
KINDS = {
    "images": f"resources/images/{_POOL}",
    "plans": f"resources/plans/{_POOL}",
    "hashes": f"resources/hashes/{_POOL}",
    "features": f"resources/features/{_POOL}/{_POOL}",
    "drawn images": f"resources/world/{_DIGEST}",
    "torchvision images": f"resources/datasets/{_DIGEST}",
    "lists": f"resources/urls/{_DIGEST}[.](list|tsv)",
    "archives": f"{ARCHIVES_FOLDER}/{_DIGEST}",
    "weights": f"{WEIGHTS_FOLDER}/checkpoints/[^/]+-[0-9a-f]{{8,64}}[.]pth",
    "WordNet": f"{WORDNET_FOLDER}/{_DIGEST}",
    "word vectors": f"{WORDS_FOLDER}/{_DIGEST}-[^/]+",
    RESPONSES: f"{CACHE_FOLDER}/[0-9a-f]{{2}}/[0-9a-f]{{32}}",
}
"""Kinds of files and folders that Parley makes in resources/, each of which is used as a whole; patterns of paths."""
_ANY_KIND = re.compile(f"(?:{'|'.join(KINDS.values())})(?=/|$)")


class UsedFiles(NamedTuple):
    """Files and folders in resources/ that an experiment uses.

    Attributes
    ----------
    name, results
        The experiment's folder or config file; its folder in the working folder.
    paths
        Files and folders of `KINDS`, and other paths in the config.
    recorded
        Those that are not used with the present config, but that earlier jobs used.
    plan
        Plan whose candidates are the responses that the experiment uses; empty if it fetches no images from the web.
    """

    name: str
    results: str
    paths: frozenset[str]
    recorded: frozenset[str]
    plan: str


def used_files_of(config_file: Path, schema: Path) -> UsedFiles:
    """Return what an experiment uses.

    Parameters
    ----------
    config_file
        Its config. If it is `results/<e>/config.yaml`, also of another folder than the working folder, its paths are
        relative to the folder that contains `results`.
    schema
        Absolute path of the config's schema.

    Raises
    ------
    ParleyError
        If this is unknown, because the config, a file that it names, or a record is missing or damaged.
    """
    raw = read_config(config_file)
    root, name = workflow_path(config_file)
    is_saved = Path(name).match("results/*/config.yaml")
    with chdir(root if is_saved else "."):
        experiment = read_experiment(raw, schema)
        results = Path(name).parent if is_saved else Path(experiment.paths.result(""))
        paths = frozenset(filter(None, _by_config(experiment)))
        recorded = frozenset(_by_records(results)) - paths
    here = "" if is_saved and root != Path.cwd() else str(results)
    is_web = experiment.paths.pool and open_source(source_options(experiment.config["source"])).over_network
    plan = experiment.paths.plan("plan.tsv") if is_web else ""
    return UsedFiles(str(config_file.parent if is_saved else config_file), here, paths, recorded, plan)


def responses_of(plans: Iterable[str]) -> set[bytes]:
    """Return the keys of all candidates in the plans. Responses are stored by key."""
    return {bytes.fromhex(key) for plan in plans for (key,) in stream_table(plan, ["key"]) if is_key(key)}


def _by_config(experiment: Experiment) -> Iterator[str]:
    config, classes, paths = experiment
    section = config["source"].get(config["source"]["kind"], config["source"]["options"])
    for path in map(os.path.relpath, filter(None, _texts({**config, "source": section}))):
        if path.split("/")[0] == "resources":
            yield path
    if is_web_url(config["words"]["source"]):
        yield str(copy_of(config["words"]["source"], WORDS_FOLDER))
    if needs_wordnet(classes) and (wordnet := downloaded_copy(config["descriptions"]["wordnet"])):
        yield str(wordnet)
    yield from _referred_to(experiment) if not paths.pool else _of_images(experiment)


def _of_images(experiment: Experiment) -> Iterator[str]:
    config, _, paths = experiment
    yield from paths.shared()
    options, network = source_options(config["source"]), network_options(config["features"])
    for path in filter(None, [options.root, options.manifest]):
        # Then the name of the set of images is another one.
        if not options.dataset and not path.exists():
            raise ParleyError(f"{path}, the source of its images, does not exist; make it available.")
    if store := open_source(options).store():
        yield str(store)
    folder = Path(WEIGHTS_FOLDER, "checkpoints")
    if network.weights_kind == "torchvision" and folder.exists():
        # Imported here because it loads torch.
        from parley.features.weights import published_name

        yield str(folder / published_name(network))


def _referred_to(experiment: Experiment) -> Iterator[str]:
    """Yield the files of features that imported ones refer to."""
    # Imported here because it loads h5py.
    from parley.features.storage import files_referred_to

    for part in experiment.paths.parts:
        for file in (experiment.config["source"]["features"][part], experiment.paths.result(f"{part}.hdf5")):
            if Path(file).exists():
                yield from (_kept_path(os.path.relpath(path)) for path in files_referred_to(Path(file)))


def _by_records(results: Path) -> Iterator[str]:
    for record in sorted((results / RECORDS).glob("[!.]*-*.json")):
        yield from filter(None, (_kept_path(one.path) for one in read_record(record).inputs))


def _kept_path(path: str) -> str:
    """Return the file or folder of `KINDS` that contains a file; an empty string if none does."""
    found = _ANY_KIND.match(path)
    return found[0] if found else ""


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _texts(one)
