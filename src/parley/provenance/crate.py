"""An experiment as an RO-Crate: one zip that can be deposited, with its history and what it may not carry by its hash.

RO-Crate 1.1 with the profile Workflow Run Crate 0.5: the workflow, the run as one `CreateAction`, its inputs and
results. What each job did is in `provenance.json`, which goes along, as do the records by which `parley explain` works
on the unpacked crate.
"""

import hashlib
import json
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from parley.core.errors import ParleyError
from parley.core.files import read_json, written_aside
from parley.core.progress import Progress
from parley.provenance.crate_metadata import README, About, CrateFile, metadata
from parley.provenance.document import DOCUMENT, own_files, read_files, upstream_jobs
from parley.provenance.records import FOLDER, Records, record_path

CODE = (
    *("Snakefile", "workflow", "src", "envs", "profiles", "config"),
    *("pyproject.toml", "LICENSE", "CITATION.cff", "README.md"),
)
"""What of the project goes along, below `code/`."""
PAGES = ("report.html", "browser.html")
"""Pages in which pictures are shown."""
_BLOCK = 1 << 20


class Contents(NamedTuple):
    """What goes into a crate."""

    included: list[str]
    omitted: list[str]
    """Pictures, features and pages with pictures, which the crate names by hash and does not hold."""


def select(paths: Iterable[str], folder: str, drawn: bool, pictures: bool) -> Contents:
    """Sort files into those that a crate holds and those that it only names.

    Parameters
    ----------
    paths
        All that `provenance.json` tells of.
    folder
        ``results/<e>``.
    drawn
        Whether the pictures were drawn by Parley, so that pages may show them.
    pictures
        Whether everything goes in, where the person has the right to pass it on.
    """
    included: list[str] = []
    omitted: list[str] = []
    for path in paths:
        (included if pictures or _is_free(Path(path), Path(folder), drawn) else omitted).append(path)
    return Contents(included, omitted)


def _is_free(path: Path, folder: Path, drawn: bool) -> bool:
    """Tell whether a file shows no picture, and is made of none so that it could stand for it."""
    if not path.is_relative_to(folder):
        # Of what experiments share, the tables: plans and manifests, with addresses and hashes.
        return path.suffix == ".tsv" and path.parts[0] == "resources"
    if path.name in PAGES:
        return drawn
    return not (path.parent == folder and path.suffix == ".hdf5" and path.name != "words.hdf5")


def write_crate(folder: str, out: str | Path, about: About, project: str | Path, pictures: bool = False) -> Contents:
    """Pack an experiment.

    Parameters
    ----------
    folder
        ``results/<e>``, relative to the working folder.
    out
        The zip to write.
    about
        Who made it, and under which licence it is passed on.
    project
        The folder of Parley's own code.
    pictures
        Hold pictures and features too.

    Raises
    ------
    ParleyError
        When `provenance.json` is missing or older than the files, or a file is not what it says.
    """
    known = read_files(folder)
    if strays := [path for path in own_files(folder) if path not in known]:
        raise ParleyError(
            f"{folder}/{DOCUMENT} does not tell of {len(strays)} files, the first is {strays[0]}; remove what is no "
            "part of the experiment, and run `snakemake --cores all provenance`."
        )
    document = read_json(Path(folder, DOCUMENT))
    drawn = any(job["parley:rule"] == "draw_world" for job in document["activity"].values())
    contents = select(known, folder, drawn, pictures)
    extra = [f"{folder}/{DOCUMENT}", *_record_files(known)]
    code = dict(_code_files(Path(project)))
    with written_aside(out) as aside, zipfile.ZipFile(aside, "w", zipfile.ZIP_DEFLATED) as crate:
        with Progress("Packing", len(contents.included) + len(extra) + len(code), "file") as progress:
            facts = {path: _pack(crate, path, path, known[path], progress) for path in contents.included}
            facts |= {path: _pack(crate, path, path, None, progress) for path in extra}
            facts |= {name: _pack(crate, name, str(path), None, progress) for name, path in code.items()}
        text = _readme(folder, contents)
        crate.writestr(README, text)
        facts[README] = len(text.encode()), hashlib.sha256(text.encode()).hexdigest()
        included = [CrateFile(path, *one) for path, one in facts.items() if FOLDER not in Path(path).parts]
        omitted = [CrateFile(path, *known[path]) for path in contents.omitted]
        text = json.dumps(metadata(folder, document, included, omitted, about), indent=2, ensure_ascii=False)
        crate.writestr("ro-crate-metadata.json", text + "\n")
    return contents


def _pack(
    crate: zipfile.ZipFile, name: str, path: str, promised: tuple[int, str] | None, progress: Progress
) -> tuple[int, str]:
    """Put a file in, and return its size and SHA-256; one that is not what was promised raises `ParleyError`."""
    place, digest, size = Path(path).expanduser(), hashlib.sha256(), 0
    if not place.is_file():
        raise ParleyError(f"{path} is not there any more; run `parley verify`, and make again what is missing.")
    with place.open("rb") as stream, crate.open(zipfile.ZipInfo.from_file(place, name), "w", force_zip64=True) as entry:
        while block := stream.read(_BLOCK):
            digest.update(block)
            entry.write(block)
            size += len(block)
    found = size, digest.hexdigest()
    if promised is not None and found != promised:
        raise ParleyError(f"{path} is not what provenance.json says; run `parley verify`, and make it again.")
    progress.advance()
    return found


def _readme(folder: str, contents: Contents) -> str:
    """Return what a person reads first."""
    left = "\n".join(f"- `{path}`" for path in contents.omitted)
    note = (
        "Images, their features and pages that show images are not included, because we seldom have the right to "
        "redistribute them. `ro-crate-metadata.json` and `provenance.json` have the SHA-256 of each, and `images.tsv` "
        f"the addresses of images:\n\n{left}\n"
    )
    return (
        f"# {Path(folder).name}: an experiment in emergent communication\n\n"
        f"`{folder}/` holds the results of the workflow Parley: `data_card.md`, `summary.csv`, `figures/`, every run's "
        "checkpoint, evaluation and messages. `code/` is the workflow. `provenance.json` says what every file was "
        f"made of. If Parley is installed, run `parley verify {folder}` or `parley explain FILE` in this folder.\n\n"
        f"{note if left else 'All files are included.'}"
    )


def _record_files(paths: Iterable[str]) -> list[str]:
    records = Records()
    return sorted({str(record_path(job)) for job in upstream_jobs(paths, records).values()})


def _code_files(project: Path) -> Iterator[tuple[str, Path]]:
    for top in CODE:
        for path in sorted([project / top] if (project / top).is_file() else (project / top).rglob("*")):
            hidden = any(part.startswith((".", "__")) for part in path.relative_to(project).parts[:-1])
            if path.is_file() and not hidden and path.suffix != ".pyc":
                yield f"code/{path.relative_to(project)}", path


def project_folder(places: Sequence[Path]) -> Path:
    """Return the first of some folders that holds Parley's own code.

    Raises
    ------
    ParleyError
        When none does.
    """
    for place in places:
        if (place / "CITATION.cff").is_file() and (place / "Snakefile").is_file():
            return place
    raise ParleyError("The workflow's Snakefile and CITATION.cff do not exist here; run this in the project's folder.")
