# Functions that use Snakemake's `report` and the inputs of targets.
#
# Out: functions; no rules.


def reported_figure(name, run="all"):
    """Path of a figure, marked for `snakemake --report` with its caption."""
    kind = name.removesuffix(f"-{run}")
    caption = "plugin-figure" if kind in PLUGIN_FIGURES else kind
    return report(
        result(f"figures/{name}.svg"),
        caption=f"../report/{caption}.rst",
        category="Figures",
        subcategory=kind.replace("-", " ").capitalize(),
        labels={"figure": kind.replace("-", " "), "run": run},
    )


# Files of the targets `metrics`, `claims`, `export`, `hub` and `tables` that `all` makes too.
MADE_BY_ALL = ("summary.csv", "summary.json", "language.csv", "config.yaml")


def promised_files():
    """Inputs of `all`, except for the provenance file itself."""
    # If Parley is a module with a prefix, the paths of `rules` have it.
    own = result("provenance.json")
    return [path for path in rules.all.input if not str(path).endswith(own)]


def requested_files():
    """Existing files that only other targets than `all` make."""
    targets = (rules.metrics, rules.claims, rules.export, rules.hub, rules.tables)
    paths = {str(path) for target in targets for path in target.input}
    made = tuple(result(name) for name in MADE_BY_ALL)
    return sorted(
        path for path in paths if not path.endswith(made) and os.path.exists(path)
    )
