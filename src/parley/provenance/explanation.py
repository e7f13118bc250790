"""`parley explain`: where a file comes from and what was made from it."""

import tarfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from parley.core.errors import ParleyError
from parley.core.files import read_table
from parley.provenance.document import DOCUMENT, NO_ARTEFACTS, upstream_jobs
from parley.provenance.hashing import Hashes, files_of
from parley.provenance.records import FOLDER, FileRecord, Record, Records
from parley.provenance.tree import Group, Shape, Uses, base_of, draw, grouped, inputs_of


class ImageSource(NamedTuple):
    """Where a picture came from."""

    key: str
    url: str
    sha256: str


def image_keys(path: str) -> list[str]:
    """Return the keys of the pictures that a file is about, each once; none where it does not tell."""
    try:
        if path.endswith(".hdf5"):
            return _keys_of_hdf5(path)
        if path.endswith(".tar"):
            with tarfile.open(path) as tar:
                return [Path(name).stem for name in tar.getnames()]
        if path.endswith(".tsv"):
            return list(dict.fromkeys(row["key"] for row in read_table(path, ["key"])))
    except (OSError, KeyError, tarfile.TarError, ParleyError):
        # What it is about cannot be told of a file that is damaged, or a table of something else.
        return []
    return []


def _keys_of_hdf5(path: str) -> list[str]:
    with h5py.File(path) as file:
        column = file["Predictions"]["ExampleId"] if "Predictions" in file else file["Key"][:]
    return [key.decode() if isinstance(key, bytes) else str(key) for key in dict.fromkeys(np.asarray(column).tolist())]


def image_sources(keys: Iterable[str], manifests: Iterable[str]) -> dict[str, ImageSource]:
    """Return where pictures came from, by key, as the manifests of their classes say."""
    wanted = set(keys)
    rows = (row for path in manifests if Path(path).exists() for row in read_table(path, ["url", "key", "sha256"]))
    return {row["key"]: ImageSource(row["key"], row["url"], row["sha256"]) for row in rows if row["key"] in wanted}


def image_origin(fetch: Record) -> tuple[str, str]:
    """Return in words what a fetch took pictures from, and the folder that its addresses lie below; empty for URLs."""
    source: Mapping[str, Any] = fetch.config.get("source", {})
    kind = source.get("kind", "")
    if kind == "world":
        # A picture's address is its place below the world: the class's folder, and its own name.
        drawn = next((str(Path(one.path).parents[1]) for one in fetch.inputs if one.role == "pictures"), "")
        return "drawn by draw_world", drawn
    section = source.get(kind, {})
    root = str(section.get("root") or section.get("local_root") or "")
    return f"from the {kind} source", root


SHORT = 10
"""Digits of a hash that are shown."""
SOME = 3
"""Pictures and names that are listed where not all are asked for."""

_DETAILS: dict[str, Callable[[Record], Any]] = {
    "select_checkpoint": lambda job: f"by {job.params['rule']}",
    "train_run": lambda job: "{game[preset]}, {training[steps]} steps".format(**job.params["runs"][0]),
    "extract_features": lambda job: f"{job.config['features']['backbone']}, {job.config['features']['weights']}",
    "embed_words": lambda job: f"from {job.params['words']['source']}",
    "draw_world": lambda job: f"{len(job.params['creatures'])} creatures, {job.params['images_per_class']} times each",
    "fetch_images": lambda job: " ".join(image_origin(job)).strip(),
}
"""What else is worth a word of a rule's jobs."""


def explain(path: str, full: bool = False) -> str:
    """Return where a file comes from, back to what nobody made, and what was made of it.

    Parameters
    ----------
    path
        A file below ``results/`` or ``resources/``, relative to the working folder; or a folder that one job made.
    full
        List every picture and every name.

    Raises
    ------
    ParleyError
        When no job has it on record.
    """
    records = Records()
    group = _group_of(path, records)
    hashes = Hashes(records)
    most = None if full else SOME
    back = Shape(records, inputs_of, lambda one: _line(one, hashes, full), most)
    lines = [*_head(group, hashes), "", "made of", *draw(group, back)]
    if told := list(_pictures(group, records, full)):
        lines += ["", *told]
    jobs = [*records.under("results"), *records.under("resources")]
    uses = Uses([job for job in jobs if not job.outputs[0].path.endswith(f"/{DOCUMENT}")])
    forward = Shape(records, uses.of, lambda one: _line(one, hashes, full, short=True), most)
    if onward := list(draw(group, forward)):
        lines += ["", "went into", *onward]
    return "\n".join(lines) + "\n"


def _group_of(path: str, records: Records) -> Group:
    parts = Path(path).parts
    if FOLDER in parts:
        raise ParleyError(f"{path} is a record itself: of a job that made files in the folder above.")
    if parts[0] == "results" and len(parts) > 2 and parts[2] in NO_ARTEFACTS:
        raise ParleyError(f"{path} tells of a job and is made anew with each; ask for what the job made.")
    groups = grouped(files_of(path), records)
    if any(not group.makers for group in groups) or not groups:
        raise ParleyError(
            f"{path} was made by nothing on record. A stage leaves a record beside what it makes: it was put there "
            "by another hand, or by a version of Parley that left none."
        )
    if len(groups) > 1:
        raise ParleyError(f"{path} is a folder that several jobs have written into; name one file.")
    return groups[0]


def _head(group: Group, hashes: Hashes) -> Iterator[str]:
    count, job = len(group.paths), group.makers[0]
    yield group.pattern + (f" ({count} files)" if count > 1 else "")
    for path in group.paths if count <= SOME else ():
        file = hashes.of(path)
        yield f"  sha256 {file.sha256}, {file.bytes:,} bytes{_changed(file, job)}"
    about = ", ".join(f"{key} {value}" for key, value in job.wildcards.items())
    yield f"  made by {job.rule}{f' ({about})' if about else ''}, {job.ended[:16].replace('T', ' ')} UTC"
    used = job.usage
    yield f"  in {used['wall_s']:.1f} s ({used['cpu_s']:.1f} s of CPU, {used['memory_mib']:.0f} MiB) on {job.device}"
    versions = ", ".join(f"{key} {value}" for key, value in job.packages.items() if key in ("python", "torch", "numpy"))
    yield f"  with Parley {job.parley}, {f'commit {job.commit[:SHORT]}' if job.commit else 'no commit'}"
    yield f"  code {job.code}, {versions}" + (f", {detail}" if (detail := _detail(job)) else "")


def _changed(file: FileRecord, job: Record) -> str:
    made = job.output(file.path)
    return "" if made is None or made.sha256 == file.sha256 else f"; CHANGED since, was {made.sha256[:SHORT]}"


def _line(group: Group, hashes: Hashes, full: bool, short: bool = False) -> str:
    """Return what is said of files in a tree."""
    count = len(group.paths)
    name = f"{count} × {group.pattern}" if count > 1 else group.paths[0]
    if not group.makers:
        return f"{name}  given"
    if count == 1:
        name += f"  {_now(group, hashes)}"
    said = [name, group.rule, "" if short else _detail(group.makers[0])]
    if full and count > 1 and not short:
        said += [f"{path} {hashes.of(path).sha256[:SHORT]}" for path in group.paths if Path(path).exists()]
    return "  ".join(filter(None, said))


def _now(group: Group, hashes: Hashes) -> str:
    (path,), job = group.paths, group.makers[0]
    if not Path(path).exists():
        return "gone"
    file = hashes.of(path)
    return f"{file.sha256[:SHORT]}{_changed(file, job)}"


def _detail(job: Record) -> str:
    tell = _DETAILS.get(base_of(job.rule))
    try:
        return str(tell(job)) if tell else ""
    except (KeyError, IndexError, TypeError):  # A record of another version has other params.
        return ""


def _pictures(group: Group, records: Records, full: bool) -> Iterator[str]:
    """Yield where the pictures that a file is about came from; where it is about none, those that it was made of."""
    jobs = upstream_jobs(group.paths, records).values()
    fetches = [job for job in jobs if base_of(job.rule) == "fetch_images"]
    manifests = [one.path for job in fetches for one in job.outputs if one.role == "manifests"]
    keys = [key for path in group.paths for key in image_keys(path)]
    what = "its pictures"
    if not keys:
        what = "the pictures behind it"
        splits = [one.path for job in jobs if job.rule == "settle" for one in job.outputs if one.role == "splits"]
        keys = [key for path in splits for key in image_keys(path)]
    found = image_sources(keys, manifests)
    if not found:
        return
    words, root = image_origin(fetches[0])
    yield f"{what}: {len(found):,}, {words}"
    shown = list(found.values())[: None if full else SOME]
    yield from (f"  {one.key[:SHORT]}  {_address(one.url, root)}  {one.sha256[:SHORT]}" for one in shown)
    if len(shown) < len(found):
        yield f"  and {len(found) - len(shown):,} more; --full lists them"


def _address(url: str, root: str) -> str:
    return url if "://" in url or not root else f"{root}/{url}"
