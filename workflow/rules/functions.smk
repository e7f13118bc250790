# Functions that need Snakemake's own: `report`, and the inputs of targets.
#
# Out: functions; no rules.


def reported_figure(name, run="all"):
    """A figure's file, marked for `snakemake --report` with its caption."""
    kind = name.removesuffix(f"-{run}")
    return report(
        result(f"figures/{name}.svg"),
        caption=f"../report/{kind}.rst",
        category="Figures",
        subcategory=kind.replace("-", " ").capitalize(),
        labels={"figure": kind.replace("-", " "), "run": run},
    )


# Files of the targets `metrics`, `claims`, `export` and `tables` that the report needs too.
MADE_BY_ALL = ("summary.csv", "summary.json", "language.csv", "config.yaml")


def promised_files():
    """Paths of what `all` makes, except for the file of provenance itself."""
    return [path for path in rules.all.input if path != result("provenance.json")]


def requested_files():
    """Paths and times of existing files that `all` does not make but another target does."""
    targets = (rules.metrics, rules.claims, rules.export, rules.tables)
    paths = {str(path) for target in targets for path in target.input}
    alone = sorted(paths - {result(name) for name in MADE_BY_ALL})
    return [[path, os.stat(path).st_mtime_ns] for path in alone if os.path.exists(path)]
