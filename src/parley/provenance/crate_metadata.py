"""Build `ro-crate-metadata.json`: a description of a crate and its files in JSON-LD with schema.org vocabulary."""

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
Files = Mapping[str, tuple[int, str]]
"""Size in bytes and SHA-256 of each file, by path."""
# The context of RO-Crate 1.1 does not define schema.org's `sha256`.
CONTEXT = ["https://w3id.org/ro/crate/1.1/context", {"sha256": "http://schema.org/sha256"}]
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": ("Process Run Crate", "0.5"),
    "https://w3id.org/ro/wfrun/workflow/0.5": ("Workflow Run Crate", "0.5"),
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": ("Workflow RO-Crate", "1.0"),
}
WORKFLOW = "code/Snakefile"
LANGUAGE: Entity = {
    "@id": "https://w3id.org/workflowhub/workflow-ro-crate#snakemake",
    "@type": "ComputerLanguage",
    "name": "Snakemake",
    "alternateName": "Snakemake",
    "identifier": {"@id": "https://doi.org/10.1093/bioinformatics/bts480"},
    "url": {"@id": "https://snakemake.readthedocs.io"},
}
DESCRIPTOR: Entity = {
    "@id": "ro-crate-metadata.json",
    "@type": "CreativeWork",
    "about": {"@id": "./"},
    "conformsTo": [
        {"@id": "https://w3id.org/ro/crate/1.1"},
        {"@id": "https://w3id.org/workflowhub/workflow-ro-crate/1.0"},
    ],
}
ADDRESSES = "https://spdx.org/licenses/{}"
README = "README.md"
_TYPES = {
    ".md": "text/markdown",
    ".tsv": "text/tab-separated-values",
    ".hdf5": "application/x-hdf5",
    ".jsonl": "application/jsonl",
}
_PURPOSES = {
    README: "Contents of this crate",
    "config.yaml": "The complete config of the experiment",
    "provenance.json": "The origin of every file: job, inputs, code and values (W3C PROV-JSON)",
    "images.tsv": "URL and SHA-256 of every image",
    "report.html": "The report, one page",
    "summary.csv": "Means and intervals over seeds, one row per run, split and metric",
    "best.pt": "The selected checkpoint of a run",
    "data_card.md": "Origin and rights of the images, to check before redistribution",
}


class Rights(NamedTuple):
    """The authors of a work, as JSON-LD entities without an ``@id``, and its licence, an SPDX identifier or a URL."""

    authors: Sequence[Entity]
    license: str


def cited(path: str | Path) -> Rights:
    """Return the authors and the licence named in a CITATION.cff file."""
    citation = yaml.safe_load(Path(path).read_text(encoding="utf-8"))
    authors = []
    for one in citation["authors"]:
        parts = {"givenName": one.get("given-names"), "familyName": one.get("family-names")}
        authors.append(
            {
                "@type": "Organization" if "name" in one else "Person",
                "name": one.get("name") or f"{one['given-names']} {one['family-names']}",
                **{key: value for key, value in parts.items() if value},
            }
        )
    return Rights(authors, citation["license"])


def metadata(
    folder: str, document: Mapping[str, Any], included: Files, omitted: Files, experiment: Rights, software: Rights
) -> dict[str, Any]:
    """Return the content of `ro-crate-metadata.json`.

    Parameters
    ----------
    folder
        Results folder, ``results/<experiment>``.
    document
        Content of the experiment's `provenance.json`.
    included
        Files that the crate contains.
    omitted
        Files that the crate does not contain, but lists with their hashes.
    experiment, software
        Authors and licences of the experiment and of Parley.
    """
    files = {**included, **omitted}
    # A file in the crate is identified by its path, an omitted file by a URI of its hash (RFC 6920).
    ids = {path: quote(path) if path in included else _hash_id(sha256) for path, (_, sha256) in files.items()}
    jobs = list(document["activity"].values())
    commits = sorted({one["parley:commit"] for one in document["agent"].values() if "parley:commit" in one})
    note = (
        f" {len(omitted)} files are not included and are listed only by their hash: images, their features and pages "
        "that show them."
        if omitted
        else ""
    )
    root: Entity = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"{Path(folder).name}: an experiment in emergent communication",
        "description": "A multi-modal, multi-step referential game, trained and analysed by the workflow Parley "
        f"{__version__} (commit {', '.join(commits)}).{note}",
        "datePublished": datetime.now(UTC).date().isoformat(),
        "license": _ref(_license(experiment.license)["@id"]),
        "author": _refs(_ids("author", experiment)),
        "conformsTo": _refs(PROFILES),
        "mainEntity": _ref(WORKFLOW),
        "mentions": _refs(["#run"]),
        "hasPart": _refs(ids.values()),
    }
    workflow: Entity = {
        **_file(WORKFLOW, *files[WORKFLOW], ids[WORKFLOW]),
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow"],
        "name": "Parley",
        "description": "The workflow when this crate was packed. A job's code digest identifies the version it ran.",
        "version": __version__,
        "programmingLanguage": _ref(LANGUAGE["@id"]),
        "author": _refs(_ids("developer", software)),
        "conformsTo": _ref("https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"),
        "license": _ref(_license(software.license)["@id"]),
    }
    made = {one["prov:entity"].removeprefix("path:") for one in document["wasGeneratedBy"].values()}
    config = f"{folder}/config.yaml"
    given = [path for path in files if f"path:{path}" in document["entity"] and path not in made]
    run: Entity = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"The run of {folder}",
        "description": f"{len(jobs)} jobs; provenance.json describes each.",
        "startTime": min(job["prov:startTime"] for job in jobs),
        "endTime": max(job["prov:endTime"] for job in jobs),
        "actionStatus": "http://schema.org/CompletedActionStatus",
        "instrument": _ref(WORKFLOW),
        "agent": _refs(_ids("author", experiment)),
        "object": _refs(ids[path] for path in [*([config] if config in included else []), *given]),
        "result": _refs(ids[path] for path in files if path.startswith(f"{folder}/") and path != config),
    }
    graph = [
        DESCRIPTOR,
        root,
        *(
            {"@id": address, "@type": "CreativeWork", "name": name, "version": version}
            for address, (name, version) in PROFILES.items()
        ),
        workflow,
        LANGUAGE,
        run,
        *(_file(path, *facts, ids[path]) for path, facts in files.items() if path != WORKFLOW),
        *_people("author", experiment),
        *_people("developer", software),
        *(_license(name) for name in dict.fromkeys([experiment.license, software.license])),
    ]
    return {"@context": CONTEXT, "@graph": graph}


def _hash_id(sha256: str) -> str:
    value = base64.urlsafe_b64encode(bytes.fromhex(sha256)).decode().rstrip("=")
    return f"ni:///sha-256;{value}"


def _file(path: str, size: int, sha256: str, identifier: str) -> Entity:
    name = Path(path).name
    what = _PURPOSES.get(name) if path.startswith(("results/", README)) else None
    note = " (not in this crate; identified by its SHA-256)" if identifier.startswith("ni:") else ""
    about = {"about": _ref("./")} if path == README else {}
    return {
        "@id": identifier,
        "@type": "File",
        "name": path,
        "description": f"{what or f'{name} of {Path(path).parent}'}{note}",
        "contentSize": str(size),
        "encodingFormat": _TYPES.get(Path(name).suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream",
        "sha256": sha256,
        **about,
    }


def _people(role: str, rights: Rights) -> Iterable[Entity]:
    return ({"@id": name, **one} for name, one in zip(_ids(role, rights), rights.authors, strict=True))


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
    """Return references to entities, as a list; a single reference is not in a list, as the specification requires."""
    found = [_ref(one) for one in dict.fromkeys(identifiers)]
    return found[0] if len(found) == 1 else found
