"""`ro-crate-metadata.json`: what a crate says of itself, in JSON-LD of schema.org terms."""

import base64
import mimetypes
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import yaml

from parley import __version__

Entity = dict[str, Any]
# The context of RO-Crate 1.1 is older than schema.org's own name for a SHA-256.
CONTEXT = ["https://w3id.org/ro/crate/1.1/context", {"sha256": "http://schema.org/sha256"}]
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
WORKFLOW = "code/Snakefile"
LANGUAGE = "https://w3id.org/workflowhub/workflow-ro-crate#snakemake"
ADDRESSES = "https://spdx.org/licenses/{}"
README = "README.md"
_TYPES = {
    ".md": "text/markdown",
    ".tsv": "text/tab-separated-values",
    ".hdf5": "application/x-hdf5",
    ".jsonl": "application/jsonl",
}
_PURPOSES = {
    README: "What is in this crate",
    "config.yaml": "The complete config of the experiment",
    "provenance.json": "What every file was made of, by which job, code and values: W3C PROV-JSON",
    "images.tsv": "Where every picture came from, with the SHA-256 by which it is known again",
    "report.html": "The report, one page",
    "summary.csv": "Means and intervals over seeds, a row a run, part and metric",
    "best.pt": "The chosen checkpoint of a run",
    "data_card.md": "What is to be known of the pictures before anything is passed on",
}


class Person(NamedTuple):
    """An author."""

    name: str
    given: str = ""
    family: str = ""
    is_group: bool = False
    """Whether it is the name of no single person."""


class Rights(NamedTuple):
    """Who made something, and under which licence it is passed on."""

    authors: Sequence[Person]
    license: str
    """SPDX identifier, or an address."""


class About(NamedTuple):
    """What only people can say of a crate."""

    experiment: Rights
    software: Rights


class CrateFile(NamedTuple):
    """A file of a crate, or one that it only names."""

    path: str
    bytes: int
    sha256: str


def cited(path: str | Path) -> Rights:
    """Return authors and licence of a CITATION.cff."""
    told = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    authors = [
        Person(
            one.get("name") or f"{one['given-names']} {one['family-names']}",
            one.get("given-names", ""),
            one.get("family-names", ""),
            is_group="name" in one,
        )
        for one in told["authors"]
    ]
    return Rights(authors, told["license"])


def metadata(
    folder: str,
    document: Mapping[str, Any],
    included: Sequence[CrateFile],
    omitted: Sequence[CrateFile],
    about: About,
) -> dict[str, Any]:
    """Return what a crate says of itself.

    Parameters
    ----------
    folder
        ``results/<e>``.
    document
        Its `provenance.json`.
    included
        Files in the crate.
    omitted
        Files that are told by their hash and are not in it.
    about
        Authors and licences.
    """
    jobs = list(document["activity"].values())
    results = [one for one in [*included, *omitted] if one.path.startswith(f"{folder}/")]
    made = {one["prov:entity"].removeprefix("path:") for one in document["wasGeneratedBy"].values()}
    given = [one for one in [*included, *omitted] if f"path:{one.path}" in document["entity"] and one.path not in made]
    config = [one for one in included if one.path == f"{folder}/config.yaml"]
    run: Entity = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"The run of {folder}",
        "description": f"{len(jobs)} jobs; provenance.json tells each by itself.",
        "startTime": min(job["prov:startTime"] for job in jobs),
        "endTime": max(job["prov:endTime"] for job in jobs),
        "actionStatus": "http://schema.org/CompletedActionStatus",
        "instrument": _ref(WORKFLOW),
        "agent": _refs(_ids("author", about.experiment)),
        "object": _refs(_id(one, included) for one in [*config, *given]),
        "result": _refs(_id(one, included) for one in results if one not in config),
    }
    graph = [
        _descriptor(),
        _root(folder, document, [*included, *omitted], included, about.experiment),
        *_profiles(),
        _workflow(about.software, included),
        _language(),
        run,
        *(_file(one, included) for one in [*included, *omitted] if one.path != WORKFLOW),
        *_people("author", about.experiment),
        *_people("developer", about.software),
        *(_license(name) for name in dict.fromkeys(one.license for one in about)),
    ]
    return {"@context": CONTEXT, "@graph": graph}


def _descriptor() -> Entity:
    return {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "about": _ref("./"),
        "conformsTo": _refs(["https://w3id.org/ro/crate/1.1", "https://w3id.org/workflowhub/workflow-ro-crate/1.0"]),
    }


def _root(
    folder: str, document: Mapping[str, Any], files: Sequence[CrateFile], included: Sequence[CrateFile], rights: Rights
) -> Entity:
    commits = sorted({one["parley:commit"] for one in document["agent"].values() if "parley:commit" in one})
    missing = len(files) - len(included)
    note = (
        f" {missing} files are named by their hash and not included: images, their features and pages that show them."
        if missing
        else ""
    )
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"{Path(folder).name}: an experiment in emergent communication",
        "description": "A multi-modal, multi-step referential game, trained and analysed by the workflow Parley "
        f"{__version__} (commit {', '.join(commits)}).{note}",
        "datePublished": datetime.now(UTC).date().isoformat(),
        "license": _ref(_license(rights.license)["@id"]),
        "author": _refs(_ids("author", rights)),
        "conformsTo": _refs(PROFILES),
        "mainEntity": _ref(WORKFLOW),
        "mentions": _refs(["#run"]),
        "hasPart": _refs(_id(one, included) for one in files),
    }


def _profiles() -> Iterable[Entity]:
    for address, (name, version) in PROFILES.items():
        yield {"@id": address, "@type": "CreativeWork", "name": name, "version": version}


def _workflow(rights: Rights, included: Sequence[CrateFile]) -> Entity:
    (file,) = (one for one in included if one.path == WORKFLOW)
    return {
        **_file(file, included),
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
        "name": "Parley",
        "description": "The workflow, as it was when this crate was packed; a job's own code is known by its digest.",
        "version": __version__,
        "programmingLanguage": _ref(LANGUAGE),
        "author": _refs(_ids("developer", rights)),
        "conformsTo": _ref("https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"),
        "license": _ref(_license(rights.license)["@id"]),
    }


def _language() -> Entity:
    return {
        "@id": LANGUAGE,
        "@type": "ComputerLanguage",
        "name": "Snakemake",
        "alternateName": "Snakemake",
        "identifier": _ref("https://doi.org/10.1093/bioinformatics/bts480"),
        "url": _ref("https://snakemake.readthedocs.io"),
    }


def _file(file: CrateFile, included: Sequence[CrateFile]) -> Entity:
    name = Path(file.path).name
    kind = _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    what = _PURPOSES.get(name) if file.path.startswith(("results/", README)) else None
    what = what or f"{name} of {Path(file.path).parent}"
    here = "" if file in included else " (not in this crate; known by its SHA-256)"
    about = {"about": _ref("./")} if file.path == README else {}
    return {
        "@id": _id(file, included),
        "@type": "File",
        "name": file.path,
        "description": f"{what}{here}",
        "contentSize": str(file.bytes),
        "encodingFormat": kind,
        "sha256": file.sha256,
        **about,
    }


def _id(file: CrateFile, included: Sequence[CrateFile]) -> str:
    """Return a file's identifier: its path in the crate, or of one that is not in it, its hash (RFC 6920)."""
    if file in included:
        return quote(file.path)
    value = base64.urlsafe_b64encode(bytes.fromhex(file.sha256)).decode().rstrip("=")
    return f"ni:///sha-256;{value}"


def _people(role: str, rights: Rights) -> Iterable[Entity]:
    for name, one in zip(_ids(role, rights), rights.authors, strict=True):
        parts = {"givenName": one.given, "familyName": one.family}
        yield {
            "@id": name,
            "@type": "Organization" if one.is_group else "Person",
            "name": one.name,
            **{key: value for key, value in parts.items() if value},
        }


def _ids(role: str, rights: Rights) -> list[str]:
    return [f"#{role}-{number}" for number in range(1, len(rights.authors) + 1)]


def _license(name: str) -> Entity:
    address = name if "://" in name else ADDRESSES.format(name)
    return {
        "@id": address,
        "@type": "CreativeWork",
        "name": name,
        "description": f"The licence {name}",
        "identifier": address,
    }


def _ref(identifier: str) -> Entity:
    return {"@id": identifier}


def _refs(identifiers: Iterable[str]) -> list[Entity] | Entity:
    """Return references to several, or as the specification wants it, to one alone without a list."""
    found = [_ref(one) for one in dict.fromkeys(identifiers)]
    return found[0] if len(found) == 1 else found
