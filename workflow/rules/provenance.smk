# The provenance of every file.
#
# In:  the outputs of `all`; the records that jobs write next to their outputs (.records/).
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
        # Files of other targets are recorded if they exist; a change of them must rerun this.
        requested=requested_files(),
        code=code("write_provenance"),
    message:
        "Writing the provenance of all files"
    script:
        "../scripts/write_provenance.py"
