"""Upload an exported dataset to the Hugging Face Hub, with the package huggingface_hub."""

import importlib.util
from pathlib import Path
from typing import Any

from parley import __version__
from parley.core.errors import ParleyError
from parley.core.installation import as_typed
from parley.export.hub import CARD
from parley.export.hub_card import with_licence

DATA = "data"
"""Folder of the Parquet files, whose remote copy is replaced."""


def upload(folder: Path, repository: str, public: bool = False, licence: str | None = None) -> str:
    """Upload the card and the Parquet files of an exported dataset, and return the dataset's address.

    The dataset is created if it does not exist. Parquet files there that the folder does not have are removed, in the
    same commit. Nothing in the folder is changed.

    Parameters
    ----------
    folder
        The folder ``results/<experiment>/export/hub``.
    repository
        Name of the dataset, ``ORG/NAME``.
    public
        Whether a new dataset can be seen by everyone.
    licence
        Identifier of the licence of the dialogues; None if it is unknown.

    Raises
    ------
    ParleyError
        If the folder has no dataset, the package is not installed, nobody is logged in, or the Hub refuses.
    """
    if not (folder / CARD).is_file():
        raise ParleyError(
            as_typed(f"{folder} is not an exported dataset; make it with `uv run snakemake --cores all hub`.")
        )
    local = f"{folder} has the dataset, as Parquet files that `datasets.load_dataset` reads from there."
    if importlib.util.find_spec("huggingface_hub") is None:
        raise ParleyError(
            f"The package huggingface_hub is not installed; install it (`uv sync --extra hub`) to upload. {local}"
        )
    # Imported here because only this function needs it.
    import huggingface_hub.errors
    from huggingface_hub import HfApi, get_token

    errors: Any = huggingface_hub.errors

    if get_token() is None:
        raise ParleyError(
            f"Nobody is logged in to the Hugging Face Hub; run `uv run hf auth login`, or set HF_TOKEN. {local}"
        )
    api = HfApi()
    try:
        created = api.create_repo(repository, repo_type="dataset", private=not public, exist_ok=True)
        _commit(api, repository, folder, licence)
    except errors.HFValidationError as error:
        raise ParleyError(f"{repository!r} is not a name of a dataset, ORG/NAME: {error}") from error
    except (errors.HTTPError, OSError, ValueError) as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ParleyError(f"The upload to {repository} failed: {reason[0]} {local}") from error
    return str(created)


def _commit(api: Any, repository: str, folder: Path, licence: str | None) -> None:
    """Replace the card and the Parquet files of a dataset in one commit."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    card = (folder / CARD).read_text(encoding="utf-8")
    card = card if licence is None else with_licence(card, licence)
    # Only Parquet files: Snakemake leaves its own files in the folder.
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.glob(f"{DATA}/*/*.parquet"))}
    known = api.list_repo_files(repository, repo_type="dataset")
    stale = [name for name in known if name.startswith(f"{DATA}/") and name not in files]
    operations = [
        CommitOperationAdd(CARD, card.replace("ORG/NAME", repository).encode()),
        *(CommitOperationAdd(name, path) for name, path in files.items()),
        *(CommitOperationDelete(name) for name in stale),
    ]
    message = f"Dialogues exported by Parley {__version__}"
    api.create_commit(repository, operations, commit_message=message, repo_type="dataset")
