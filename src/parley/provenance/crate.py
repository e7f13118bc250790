"""Pack an experiment and its provenance as an RO-Crate, a zip file for deposit in a repository (`parley crate`).

The crate follows RO-Crate 1.1 and its profile Workflow Run Crate 0.5. It describes the workflow, the run as one
`CreateAction`, the inputs and the results; the file `provenance.json` describes each job. Files that may not be
redistributed are only listed with their hashes. Job records are included, so that `parley explain` works in the
unpacked crate.
"""

import hashlib
import json
import zipfile
from collections.abc import Container, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from parley.core.errors import ParleyError
from parley.core.files import expand_home, read_json, written_aside
from parley.core.installation import IS_CLONE
from parley.core.progress import Progress
from parley.provenance.crate_metadata import README, Rights, cited, metadata
from parley.provenance.document import DOCUMENT, described_folder, own_files, read_files, upstream_jobs
from parley.provenance.records import FOLDER, PLUGINS, Records

CODE = (
    *("Snakefile", "workflow", "src", "envs", "profiles", "config"),
    *("pyproject.toml", "constraints.txt", "hatch_build.py", "LICENSE", "CITATION.cff", "README.md"),
)
"""Files and folders of the project that are packed in the crate's folder `code/`."""
PACKAGES = ("parley", "snakemake_logger_plugin_parley")
PAGES = ("report.html", "browser.html")
"""HTML pages that show images."""
_BLOCK = 1 << 20


def write_crate(
    folder: str,
    out: str | Path,
    project: Path,
    authors: Sequence[str],
    licence: str | None,
    pictures: bool = False,
) -> tuple[list[str], list[str]]:
    """Pack an experiment as an RO-Crate.

    Parameters
    ----------
    folder
        Results folder, ``results/<experiment>``, relative to the working folder.
    out
        Path of the zip file to write.
    project
        Folder of Parley's own code.
    authors, licence
        Names of the experiment's authors, and the experiment's licence as an SPDX identifier or a URL. If the authors
        are empty or the licence is None, those of Parley are used.
    pictures
        Whether to include images, features and pages that show images.

    Returns
    -------
    included, omitted
        Files of `provenance.json` that the crate contains, and files that it only lists with their hashes.

    Raises
    ------
    ParleyError
        If `provenance.json` is missing, describes another experiment or does not list all files, or if a file is
        missing or differs from it.
    """
    software = cited(project / "CITATION.cff")
    people = [{"@type": "Person", "name": name} for name in authors]
    experiment = Rights(people or software.authors, licence or software.license)
    known = read_files(folder)
    document = _complete_document(folder, known)
    records = Records()
    jobs = upstream_jobs(known, records).values()
    plugins = {one.path for job in jobs for one in job.inputs if one.role == PLUGINS}
    drawn = any(job["parley:rule"] == "draw_world" for job in document["activity"].values())
    included: list[str] = []
    omitted: list[str] = []
    for path in known:
        is_free = path in plugins or _is_free(Path(path), Path(folder), drawn)
        (included if pictures or is_free else omitted).append(path)
    files = {str(records.file_of(job)) for job in jobs}
    # Map each name in the crate to a path on disk.
    sources = {path: path for path in [*included, f"{folder}/{DOCUMENT}", *sorted(files)]}
    sources |= {name: str(path) for name, path in _code_files(project)}
    with written_aside(out) as aside, zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as crate:
        packed = _pack_all(crate, sources, known, folder)
        text = _readme(folder, omitted)
        crate.writestr(README, text)
        packed[README] = len(text.encode()), hashlib.sha256(text.encode()).hexdigest()
        shown = {name: facts for name, facts in packed.items() if FOLDER not in Path(name).parts}
        left_out = {path: known[path] for path in omitted}
        text = json.dumps(
            metadata(folder, document, shown, left_out, experiment, software), indent=2, ensure_ascii=False
        )
        crate.writestr("ro-crate-metadata.json", text + "\n")
    return included, omitted


def _complete_document(folder: str, known: Container[str]) -> dict[str, Any]:
    """Return the content of `provenance.json`; raise `ParleyError` if it lacks files or describes another folder."""
    if strays := [path for path in own_files(folder) if path not in known]:
        raise ParleyError(
            f"{folder}/{DOCUMENT} does not list {len(strays)} files (the first is {strays[0]}); remove files that are "
            "not part of the experiment, and run `uv run snakemake --cores all provenance`."
        )
    document: dict[str, Any] = read_json(Path(folder, DOCUMENT))
    described = described_folder((name.removeprefix("path:") for name in document["entity"]), folder)
    if described != folder:
        raise ParleyError(
            f"{folder} is a copy of {described}, whose paths are in its {DOCUMENT}; pack {described}, or move the copy "
            "there."
        )
    return document


def _is_free(path: Path, folder: Path, drawn: bool) -> bool:
    """Return whether a file can be redistributed, because it contains no images or features that others may own.

    `drawn` is true if Parley generated the images of the experiment.
    """
    if not path.is_relative_to(folder):
        # Of the files shared between experiments, only the tables of URLs and hashes can be redistributed.
        return path.suffix == ".tsv" and path.parts[0] == "resources"
    if path.name in PAGES:
        return drawn
    return not (path.parent == folder and path.suffix == ".hdf5" and path.name != "words.hdf5")


def _pack_all(
    crate: zipfile.ZipFile, sources: Mapping[str, str], known: Mapping[str, tuple[int, str]], folder: str
) -> dict[str, tuple[int, str]]:
    """Add files to the crate, and return the size and SHA-256 of each by its name in the crate.

    `sources` are the paths on disk by name, and `known` is the result of `read_files`.
    """
    packed = {}
    with Progress("Packing", len(sources), "file") as progress:
        for name, path in sources.items():
            file = expand_home(path)
            if not file.is_file():
                raise ParleyError(
                    f"{file} does not exist any more; run `uv run parley verify {folder}`, and make the "
                    "missing files again."
                )
            packed[name] = _pack(crate, name, file)
            if packed[name] != known.get(name, packed[name]):
                raise ParleyError(
                    f"{path} differs from provenance.json; run `uv run parley verify {folder}` to list all "
                    "changed files, remove them, and run the workflow again."
                )
            progress.advance()
    return packed


def _pack(crate: zipfile.ZipFile, name: str, path: Path) -> tuple[int, str]:
    """Add a file to the crate, and return its size and SHA-256."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as stream, crate.open(zipfile.ZipInfo.from_file(path, name), "w", force_zip64=True) as entry:
        while block := stream.read(_BLOCK):
            digest.update(block)
            entry.write(block)
            size += len(block)
    return size, digest.hexdigest()


def _readme(folder: str, omitted: Sequence[str]) -> str:
    left = "\n".join(f"- `{path}`" for path in omitted)
    note = (
        "Images, their features and pages that show images are not included, because we seldom have the right to "
        "redistribute them. `ro-crate-metadata.json` and `provenance.json` have the SHA-256 of each, and `images.tsv` "
        f"the addresses of images:\n\n{left}\n"
    )
    return (
        f"# {Path(folder).name}: an experiment in emergent communication\n\n"
        f"`{folder}/` holds the results of the workflow Parley: `data_card.md`, `summary.csv`, `figures/`, every run's "
        "checkpoint, evaluation and messages. `code/` is the workflow. `provenance.json` lists the origin of "
        f"every file. If Parley is installed, run `parley verify {folder}` or `parley explain FILE` in this folder.\n\n"
        f"{note if left else 'All files are included.'}"
    )


def _code_files(project: Path) -> Iterator[tuple[str, Path]]:
    starts = {top: project / top for top in CODE}
    if not IS_CLONE:  # The packages are beside each other, and the project's files are inside of the first one.
        starts |= {f"src/{name}": project.parents[1] / name for name in PACKAGES}
    for top, start in starts.items():
        for path in sorted([start] if start.is_file() else start.rglob("*")):
            hidden = any(part.startswith((".", "__")) for part in path.relative_to(start).parts[:-1])
            copy = top.startswith("src/") and path.is_relative_to(project)
            if path.is_file() and not hidden and not copy and path.suffix != ".pyc":
                yield f"code/{top}/{path.relative_to(start)}" if path != start else f"code/{top}", path
