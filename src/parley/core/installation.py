"""Where the workflow's files are: in a clone of the repository, or in the package that pip installed."""

from pathlib import Path

_PACKAGE = Path(__file__).parents[1]
IS_CLONE = (_PACKAGE.parents[1] / "Snakefile").is_file()
"""Whether Parley runs from a clone, perhaps as an editable installation."""
PROJECT = _PACKAGE.parents[1] if IS_CLONE else _PACKAGE / "project"
"""Folder with the Snakefile, `workflow/`, `config/` and `profiles/`; the wheel has a copy of it in the package."""
SCHEMA = PROJECT / "workflow/schemas/config.schema.yaml"
"""JSON schema of an experiment's config."""


def as_typed(text: str) -> str:
    """Return a message with the commands of an installed package instead of those of a clone."""
    return text if IS_CLONE else text.replace("uv run snakemake", "parley run").replace("uv run parley", "parley")


def snakemake_options() -> list[str]:
    """Return the options by which Snakemake finds the workflow from the working folder; none in the project itself."""
    return [] if Path().resolve() == PROJECT.resolve() else ["--snakefile", str(PROJECT / "Snakefile")]
