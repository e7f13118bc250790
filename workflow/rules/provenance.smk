# Where every file comes from.
#
# In:  whatever `all` makes; the records that jobs leave beside their outputs (.records/).
# Out: results/<e>/provenance.json.


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
