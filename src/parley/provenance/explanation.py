"""Describe the origin of a file and the files that were made from it (`parley explain`)."""

import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from parley.core.errors import ParleyError
from parley.core.formats import base_of
from parley.core.tables import read_table
from parley.core.tar_headers import members_of
from parley.provenance.document import DOCUMENT, NO_ARTEFACTS, upstream_jobs
from parley.provenance.hashing import Hashes, files_of
from parley.provenance.records import FOLDER, FileRecord, Record, Records
from parley.provenance.tree import Group, draw, grouped, inputs_of, uses_in

SHORT = 10
"""Number of characters of a hash that are shown."""
SOME = 3
"""Maximum number of images and names that are listed unless `full` is set."""

_DETAILS: dict[str, Callable[[Record], Any]] = {
    "select_checkpoint": lambda job: f"by {job.params['rule']}",
    "train_run": lambda job: "{game[preset]}, {training[steps]} steps".format(**job.params["runs"][0]),
    "extract_features": lambda job: f"{job.config['features']['backbone']}, {job.config['features']['weights']}",
    "embed_words": lambda job: f"from {job.params['words']['source']}",
    "encode_descriptions": lambda job: f"with {job.params['encoder']}",
    "draw_world": lambda job: f"{len(job.params['creatures'])} creatures, {job.params['images_per_class']} times each",
    "fetch_images": lambda job: " ".join(_image_origin(job)).strip(),
}
"""Functions that return details of a job as text, by rule. Other rules have no details."""


def explain(path: str, full: bool = False) -> str:
    """Describe the origin of a file, back to inputs without a record, and the files that were made from it.

    Parameters
    ----------
    path
        Path of a file below ``results/`` or ``resources/``, or of a folder that one job made, relative to the working
        folder.
    full
        Whether to list every image and every name.

    Raises
    ------
    ParleyError
        If no record says which job made the file, or if several jobs made the folder.
    """
    records = Records()
    group = _group_of(path, records)
    hashes = Hashes(records)
    most = None if full else SOME
    back = draw(group, inputs_of, lambda one: _line(one, hashes, full), records, most)
    lines = [*_head(group, hashes), "", "made from", *back]
    if images := list(_images(group, records, full)):
        lines += ["", *images]
    jobs = [*records.under("results"), *records.under("resources")]
    uses = uses_in(job for job in jobs if not job.outputs[0].path.endswith(f"/{DOCUMENT}"))
    if onward := list(draw(group, uses, lambda one: _line(one, hashes, full, short=True), records, most)):
        lines += ["", "used for", *onward]
    return "\n".join(lines) + "\n"


def _group_of(path: str, records: Records) -> Group:
    parts = Path(path).parts
    if FOLDER in parts:
        raise ParleyError(f"{path} is itself the record of a job; name a file that the job made.")
    if parts[0] == "results" and len(parts) > 2 and parts[2] in NO_ARTEFACTS:
        raise ParleyError(f"{path} is the log or benchmark of a job, which has no record; name an output of the job.")
    groups = grouped(files_of(path), records)
    if len(groups) > 1:
        raise ParleyError(f"{path} is a folder with files of several jobs; name one file.")
    if any(not group.makers for group in groups) or not groups:
        raise ParleyError(
            f"{path} has no record. Every stage writes a record next to its outputs, so this file was made by no stage "
            "or by a version of Parley that did not write records yet."
        )
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
    """Return the text of one line of a tree, which describes a group of files."""
    paths, job = group.paths, group.makers[0] if group.makers else None
    name = f"{len(paths)} × {group.pattern}" if len(paths) > 1 else paths[0]
    if job is None:
        return f"{name}  given"
    if len(paths) == 1:
        file = hashes.of(paths[0]) if Path(paths[0]).exists() else None
        name += f"  {file.sha256[:SHORT]}{_changed(file, job)}" if file else "  gone"
    parts = [name, group.rule, "" if short else _detail(job)]
    if full and len(paths) > 1 and not short:
        parts += [f"{path} {hashes.of(path).sha256[:SHORT]}" for path in paths if Path(path).exists()]
    return "  ".join(filter(None, parts))


def _detail(job: Record) -> str:
    describe = _DETAILS.get(base_of(job.rule))
    try:
        return str(describe(job)) if describe else ""
    except (KeyError, IndexError, TypeError):  # The record is from a version of Parley with other params.
        return ""


def _images(group: Group, records: Records, full: bool) -> Iterator[str]:
    """Yield lines on the origin of a file's images or, if it has none, of the images in the splits it was made from."""
    jobs = upstream_jobs(group.paths, records).values()
    fetches = [job for job in jobs if base_of(job.rule) == "fetch_images"]
    manifests = [one.path for job in fetches for one in job.outputs if one.role == "manifests"]
    keys = {key for path in group.paths for key in _image_keys(path)}
    which = "its images"
    if not keys:
        which = "the images behind it"
        splits = [one.path for job in jobs if job.rule == "settle" for one in job.outputs if one.role == "splits"]
        keys = {key for path in splits for key in _image_keys(path)}
    rows = (row for path in manifests if Path(path).exists() for row in read_table(path, ["url", "key", "sha256"]))
    found = {row["key"]: row for row in rows if row["key"] in keys}
    if not found:
        return
    origin, root = _image_origin(fetches[0])
    yield f"{which}: {len(found):,}, {origin}"
    shown = list(found.values())[: None if full else SOME]
    for row in shown:
        url = row["url"] if "://" in row["url"] or not root else f"{root}/{row['url']}"
        yield f"  {row['key'][:SHORT]}  {url}  {row['sha256'][:SHORT]}"
    if len(shown) < len(found):
        yield f"  and {len(found) - len(shown):,} more; --full lists them"


def _image_keys(path: str) -> list[str]:
    """Return the keys of the images in a file; an empty list if the file has no keys or is damaged."""
    try:
        if path.endswith(".hdf5"):
            with h5py.File(path) as file:
                column = file["Predictions"]["ExampleId"] if "Predictions" in file else file["Key"][:]
            return [key.decode() if isinstance(key, bytes) else str(key) for key in np.asarray(column).tolist()]
        if path.endswith(".tar"):
            return [Path(member.name).stem for member in members_of(path)]
        if path.endswith(".tsv"):
            return [row["key"] for row in read_table(path, ["key"])]
    except (OSError, KeyError, tarfile.TarError, ParleyError):
        pass
    return []


def _image_origin(fetch: Record) -> tuple[str, str]:
    """Return a phrase for the source of fetched images, and the base folder of their paths (empty for URLs)."""
    source: Mapping[str, Any] = fetch.config.get("source", {})
    kind = source.get("kind", "")
    made = next((Path(one.path) for one in fetch.inputs if one.role == "pictures"), Path())
    if kind == "world":
        # The manifest contains the path of a generated image: the folder of its class and the file name.
        return "drawn by draw_world", str(made.parents[1]) if made.name else ""
    section = source.get(kind, {})
    if kind == "torchvision":
        return f"from torchvision's {section.get('dataset')}", str(made.parent)
    root = str(section.get("root") or section.get("local_root") or "")
    return f"from the {kind} source", root
