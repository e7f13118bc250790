# Where every file comes from.
#
# In:  whatever `all` makes; the records that jobs leave beside their outputs (.records/).
# Out: results/<e>/provenance.json.


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


rule write_provenance:
    input:
        made=promised_files(),
    output:
        provenance=result("provenance.json"),
    log:
        f"{LOGS}/write_provenance.log",
    benchmark:
        f"{BENCHMARKS}/write_provenance.tsv"
    localrule: True
    conda:
        "../../envs/data.yaml"
    threads: 1
    resources:
        mem_mb=500,
        runtime=10,
    params:
        # What `all` does not make is there or not; when that changes, so does what is to be told.
        requested=requested_files(),
        code=code("write_provenance"),
    message:
        "Writing down where every file comes from"
    script:
        "../scripts/write_provenance.py"
