"""Run a dialogue of a trained run about a single image file.

The image is decoded, preprocessed and standardised, and its features are extracted, by the same functions as for the
experiment's own images.
"""

import hashlib
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import torch
from torch import Tensor

from parley.config.options import network_options
from parley.config.paths import WEIGHTS_FOLDER
from parley.config.saved_configs import named_runs, read_config
from parley.core.errors import ParleyError
from parley.core.tables import read_table
from parley.dataset.class_set import IN_DOMAIN, ImageClass
from parley.dataset.image_signatures import FORMATS, HEAD_BYTES, HEIC, kind_of_file
from parley.evaluation.any_checkpoint import LoadedCheckpoint, open_checkpoint
from parley.evaluation.evaluate import make_batch_spec, play
from parley.features.class_files import SAME_EVERYWHERE
from parley.features.extract import extract_classes
from parley.features.gather import gather_part
from parley.features.options import FeatureOptions
from parley.features.preprocessing import UnreadableImageError, pixels_of
from parley.features.weights import published_transform
from parley.game.types import Dialogue
from parley.interaction.split_data import Part, load_part
from parley.interaction.transcript import dialogue_of, is_binary, letters, sparkline
from parley.metrics.exchanges import log_probabilities

_NAME = "picture"
_UNKNOWN = f"its format is none of {', '.join(FORMATS)}"
LEADERS = 5
"""Number of candidates with the highest scores that are shown for each exchange."""


class Session(NamedTuple):
    """A trained run of an experiment, loaded to run dialogues about single images."""

    folder: Path
    """Results folder of the experiment, ``results/<experiment>``."""
    config: dict[str, Any]
    run: str
    seed: int
    loaded: LoadedCheckpoint


class ImageDialogue(NamedTuple):
    """A dialogue about a single image."""

    image: Path
    sha256: str
    session: Session
    known: dict[str, str] | None
    """Row of `splits.tsv` whose hash is that of the image file; None if the experiment does not contain the image."""
    labels: list[str]
    """Names of the K candidates, in the order of the scores."""
    dialogue: Dialogue
    """The dialogue, with fields ``[T, ...]``, as returned by `dialogue_of`."""


def best_checkpoint_path(folder: Path, run: str, seed: int) -> Path:
    """Return the path of a run's selected checkpoint."""
    return folder / "runs" / run / str(seed) / "best.pt"


def open_session(folder: str | Path, run: str | None = None, seed: int | None = None) -> Session:
    """Load a trained run of an experiment.

    Parameters
    ----------
    folder
        Results folder of the experiment. Paths in its config are relative to the current working directory.
    run
        Name of the run; None if the experiment has only one.
    seed
        Seed of the run; None to use the first seed that is trained.

    Raises
    ------
    ParleyError
        If the run or seed does not exist, is not trained, or failed, or if the experiment's features were imported,
        not computed from images.
    """
    folder = Path(folder)
    run, seed = _run_and_seed(folder, run, seed)
    config = read_config(folder / "config.yaml")
    if config["source"]["kind"] == "features":
        raise ParleyError(
            f"The features of {folder} were imported, so the network that computes them from an image is unknown. "
            "Run `parley messages` on a file of features instead."
        )
    read = config["descriptions"]["evaluation"] or folder / "descriptions.csv"
    return Session(
        folder, config, run, seed, open_checkpoint(best_checkpoint_path(folder, run, seed), read, folder / "words.hdf5")
    )


def _run_and_seed(folder: Path, run: str | None, seed: int | None) -> tuple[str, int]:
    """Return the given run, or the only one, and its given seed, or the first trained one."""
    known = named_runs(folder)
    names = list(dict.fromkeys(name for name, _ in known))
    if run is None and len(names) != 1:
        raise ParleyError(f"{folder} has {len(names)} runs; give one with --run: {', '.join(names)}.")
    run = run or names[0]
    seeds = [each for name, each in known if name == run]
    if not seeds:
        raise ParleyError(f"{folder} has no run {run!r}; its runs are {', '.join(names)}.")
    if seed is not None and seed not in seeds:
        raise ParleyError(f"The run {run} of {folder} has no seed {seed}; its seeds are {', '.join(map(str, seeds))}.")
    trained = [each for each in seeds if best_checkpoint_path(folder, run, each).is_file()]
    if not trained:
        raise ParleyError(
            f"No seed of the run {run} of {folder} is trained; run `uv run snakemake --cores all select`."
        )
    return run, trained[0] if seed is None else seed


def run_dialogue(image: str | Path, session: Session, among: str = "seen", threads: int = 1) -> ImageDialogue:
    """Run a dialogue about a single image.

    Parameters
    ----------
    image
        Path of the image file.
    session
        The trained run, as returned by `open_session`.
    among
        Which classes are candidates: ``seen`` for the training classes, ``all`` for all described classes.
    threads
        Number of CPU threads used by the feature network.

    Raises
    ------
    ParleyError
        If the file is not an image, or the config names another network than the one that computed the features.
    """
    image = Path(image)
    try:
        content = image.read_bytes()
    except OSError as error:
        raise ParleyError(f"{image} cannot be read ({error.strerror}); give the path of an image file.") from error
    checkpoint, candidates, _ = session.loaded
    sha256 = hashlib.sha256(content).hexdigest()
    part = _part_of(content, image, session, threads)
    ids = checkpoint.candidate_ids if among == "seen" else list(candidates.label_ids)
    # The image's class is unknown. The agents do not see the target, so the first candidate is used as a placeholder.
    part = part._replace(targets=torch.tensor(ids[:1]))
    spec = make_batch_spec(checkpoint, part, candidates, ids, str(image))
    dialogue = dialogue_of(play(checkpoint, spec), 0)
    return ImageDialogue(image, sha256, session, _known(session.folder, sha256), spec.labels, dialogue)


def _part_of(content: bytes, image: Path, session: Session, threads: int) -> Part:
    """Return a split that contains only this image, built like the experiment's splits."""
    options = network_options(session.config["features"])
    _check_readable(content, image, options)
    key = hashlib.sha256(content).hexdigest()
    row = {"class": _NAME, "key": key[:32], "sha256": key}
    with tempfile.TemporaryDirectory(prefix="parley-") as folder:
        tar, features, part = (Path(folder, f"{_NAME}.{suffix}") for suffix in ("tar", "class.hdf5", "hdf5"))
        original = Path(folder, _NAME)
        original.write_bytes(content)
        with tarfile.open(tar, "w") as packed:
            packed.add(original, f"{row['key']}.img")
        extract_classes(
            [tar], [features], options, WEIGHTS_FOLDER, device="cpu", threads=threads, batch_size=1, engine="eager"
        )
        gather_part([row], {_NAME: features}, [ImageClass(_NAME, "", IN_DOMAIN)], part)
        _check_same_network(part, session.folder)
        return load_part(part, session.loaded.checkpoint.game)


def _check_readable(content: bytes, image: Path, options: FeatureOptions) -> None:
    """Raise `ParleyError` if the content of a file cannot be decoded as an image."""
    try:
        pixels_of(content, options.transform or published_transform(options))
    except UnreadableImageError as error:
        reason = str(error)
        if "cannot identify" in reason:
            kind = kind_of_file(image.name, content[:HEAD_BYTES])
            reason = f"it is {kind}, which needs a plug-in for Pillow" if kind == HEIC else _UNKNOWN
        raise ParleyError(f"{image} cannot be read as an image ({reason}); choose another file.") from error


def _check_same_network(part: Path, folder: Path) -> None:
    """Raise `ParleyError` if the experiment's features were computed by another network than the image's features."""
    theirs_at = folder / "train.hdf5"
    if not theirs_at.is_file():
        return
    with h5py.File(part) as ours, h5py.File(theirs_at) as theirs:
        for name in SAME_EVERYWHERE:
            if ours.attrs.get(name) != theirs.attrs.get(name):
                raise ParleyError(
                    f"{theirs_at} has {name} {theirs.attrs.get(name)}, but config.yaml next to it gives "
                    f"{ours.attrs.get(name)}; run `uv run snakemake --cores all messages` to make the features again."
                )


def _known(folder: Path, sha256: str) -> dict[str, str] | None:
    """Return the row of `splits.tsv` with the given hash, or None if there is no such row."""
    path = folder / "splits.tsv"
    rows = read_table(path, ["class", "key", "part", "sha256"]) if path.is_file() else []
    return next((row for row in rows if row["sha256"] == sha256), None)


def as_values(result: ImageDialogue) -> dict[str, Any]:
    """Convert a dialogue to JSON-serialisable values. Exchanges after the dialogue has stopped are omitted."""
    dialogue, session = result.dialogue, result.session
    length = int(dialogue.active.sum())
    exchanges = [_exchange(result, t, goes_on=t + 1 < length) for t in range(length)]
    best = exchanges[-1]["ranking"][0]
    return {
        "image": str(result.image),
        "sha256": result.sha256,
        "known": result.known,
        "experiment": session.config["experiment"],
        "run": session.run,
        "seed": session.seed,
        "checkpoint": str(best_checkpoint_path(session.folder, session.run, session.seed)),
        "step": session.loaded.checkpoint.step,
        "candidates": result.labels,
        "exchanges": exchanges,
        "length": length,
        "most": len(dialogue.active),
        "answer": best["class"],
        "probability": best["probability"],
    }


def _exchange(result: ImageDialogue, t: int, goes_on: bool) -> dict[str, Any]:
    dialogue, scores = result.dialogue, result.dialogue.scores[t].numpy()
    probabilities = np.exp(log_probabilities(scores))
    order = np.argsort(-scores, kind="stable").tolist()
    return {
        "sender": _message(dialogue.sender_bits[t], dialogue.sender_probs[t]),
        "receiver": _message(dialogue.receiver_bits[t], dialogue.receiver_probs[t]),
        "go_on_probability": float(dialogue.go_on_probs[t]),
        "goes_on": goes_on,
        "ranking": [{"class": result.labels[one], "probability": float(probabilities[one])} for one in order],
        "scores": scores.tolist(),
    }


def _message(values: Tensor, probabilities: Tensor) -> dict[str, Any]:
    if not is_binary(values.numpy()):
        return {"numbers": values.tolist()}
    return {"bits": "".join(str(int(bit)) for bit in values), "probabilities": probabilities.tolist()}


def as_text(result: ImageDialogue, as_letters: bool = False, leaders: int = LEADERS) -> str:
    """Format a dialogue as text: the image, each exchange, and the answer.

    A message is shown as bars, one for each bit's probability, then as bits, or as letters that encode five bits each.
    """
    values, known = as_values(result), result.known
    lines = [
        f"{result.image}: {values['experiment']}, run {values['run']}, seed {values['seed']}, step {values['step']}",
        "not one of the experiment's images"
        if known is None
        else f"image {known['key']} of the experiment's {known['part']} split, class {known['class']}",
        "",
    ]
    for number, exchange in enumerate(values["exchanges"], 1):
        lines += _lines(number, exchange, as_letters, leaders)
    end = "stopped" if values["length"] < values["most"] or not result.dialogue.go_on[-1] else "cut off"
    lines += [
        "",
        f"{end} after {values['length']} of at most {values['most']} exchanges",
        f"answer: {values['answer']} ({values['probability']:.2f}), "
        f"among {len(result.labels)} classes{_verdict(values['answer'], result)}",
    ]
    return "\n".join(lines) + "\n"


def _verdict(answer: str, result: ImageDialogue) -> str:
    """Return a phrase stating whether the answer is right; an empty string if the image's class is unknown."""
    if result.known is None:
        return ""
    target = result.known["class"]
    if target not in result.labels:
        return f"; its class, {target}, is not a candidate (add --candidates all)"
    return "; right" if answer == target else f"; wrong: it is {target}"


def _lines(number: int, exchange: dict[str, Any], as_letters: bool, leaders: int) -> Iterator[str]:
    """Yield the four lines of text that describe an exchange, given its number from 1."""
    yield f"{number:>3}  Sender    {_shown(exchange['sender'], as_letters)}"
    yield f"     Receiver  {_shown(exchange['receiver'], as_letters)}"
    best = "  ".join(f"{one['class']} {one['probability']:.2f}" for one in exchange["ranking"][:leaders])
    rest = len(exchange["ranking"]) - leaders
    yield f"     thinks    {best}{f'  and {rest} more' if rest > 0 else ''}"
    decision = "goes on" if exchange["goes_on"] else "ends"
    yield f"     go on     {exchange['go_on_probability']:.2f}: {decision}"


def _shown(message: dict[str, Any], as_letters: bool) -> str:
    if "numbers" in message:
        return " ".join(f"{value:+.2f}" for value in message["numbers"])
    bits = letters([int(bit) for bit in message["bits"]]) if as_letters else message["bits"]
    return f"{sparkline(message['probabilities'])}  {bits}"
