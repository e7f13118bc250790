"""`parley status`: which stages of an experiment are done, stale or missing, and why."""

import argparse
import sys
from pathlib import Path

from parley.cli.shared import Subparsers
from parley.config.saved_configs import read_config
from parley.core.errors import ParleyError
from parley.core.installation import IS_CLONE, PROJECT, SCHEMA
from parley.runtime.code_digest import BOOK

EXIT = "Exit status: 0 if the default target is up to date, 1 if something is stale or missing, 2 after an error."


def add(commands: Subparsers) -> None:
    """Add the argument parser of `parley status`."""
    parser = commands.add_parser(
        "status",
        help="show which stages of an experiment are done, stale or missing, and why",
        description="Show which stages of an experiment are done, stale or missing, and why. It runs no jobs: stale "
        "stages are those that `snakemake -n` would run again. Run this command in the folder of `results/`; Snakemake "
        "may be running there.",
        epilog=EXIT,
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        metavar="results/EXPERIMENT",
        help="an experiment's folder, which has a config.yaml",
    )
    parser.add_argument(
        "--configfile",
        nargs="+",
        type=Path,
        default=[],
        metavar="YAML",
        help="config files, as for `snakemake --configfile`; config.yaml by default",
    )
    parser.add_argument("--json", action="store_true", help="print JSON")
    parser.set_defaults(run=run, status_of_error=2)


def run(chosen: argparse.Namespace) -> int:
    """Print the state of the stages and return the exit status."""
    configfiles = _configfiles(chosen)
    if IS_CLONE:
        require_workflow("uv run parley status")
    else:  # An installed package may not have run yet in the folder of a new config.
        require_own_code("uv run parley status")
    from parley.core.terminal import console
    from parley.status.dry_run import DryRun
    from parley.status.stages import all_code_changed, as_json, is_up_to_date, show, stages_of

    config, default, whole = DryRun(configfiles).plans()
    stages = stages_of(default, whole)
    report = (config["experiment"], configfiles, stages, default.locked)
    if chosen.json:
        sys.stdout.write(f"{as_json(*report)}\n")
    else:
        show(*report, console(sys.stdout), all_code_changed(whole))
    return 0 if is_up_to_date(stages) else 1


def require_workflow(command: str) -> None:
    """Raise `ParleyError` unless the working folder is a clone of Parley or one in which the workflow has run."""
    is_clone = Path("Snakefile").is_file() and SCHEMA.relative_to(PROJECT).is_file()
    if not is_clone and not Path(BOOK).parent.is_dir():
        raise ParleyError(
            f"{Path().resolve()} does not contain the Parley workflow; run this command in the project's folder, or "
            "where the workflow has run."
        )
    require_own_code(command)


def require_own_code(command: str) -> None:
    """Raise `ParleyError` if the working folder is another clone of Parley than this module's."""
    ours, here = Path(__file__).resolve().parents[1], Path("src/parley").resolve()
    if here.is_dir() and ours != here:
        raise ParleyError(
            f"This command is from {ours}, but Snakemake would run the code in {here}; run `{command}` here."
        )


def _configfiles(chosen: argparse.Namespace) -> list[Path]:
    if chosen.folder is None:
        for path in chosen.configfile:
            if not path.is_file():
                raise ParleyError(f"{path} does not exist; check the path.")
        return list(chosen.configfile)
    if chosen.configfile:
        raise ParleyError("Give either an experiment's folder or --configfile, not both.")
    config: Path = chosen.folder / "config.yaml"
    if not chosen.folder.is_dir():
        raise ParleyError(
            f"{chosen.folder} is not a folder; give the path of an experiment's folder, such as results/world."
        )
    folder = chosen.folder.resolve()
    if folder.parent.name == "results" and folder.parents[1] != Path().resolve():
        raise ParleyError(f"{chosen.folder} belongs to another folder; run this command in {folder.parents[1]}.")
    if not config.is_file():
        raise ParleyError(f"{chosen.folder} has no config.yaml yet; give the experiment's config with --configfile.")
    # In a copied or renamed folder, the stages of the original would be shown.
    experiment = read_config(config).get("experiment")
    if folder.parent.name == "results" and experiment not in (None, folder.name):
        raise ParleyError(
            f"{config} belongs to experiment {experiment}, whose folder is results/{experiment}; give that folder, or "
            "the experiment's config with --configfile."
        )
    return [config]
