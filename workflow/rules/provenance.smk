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
    # It is the last job of a run, so that it lists the files of all targets.
    priority: -1
    localrule: True
    conda:
        "../../envs/data.yaml"
    threads: workflow.resource_settings.cores or 1  # `workflow.cores` raises an error without --cores.
    resources:
        mem_mb=500,
        runtime=10,
    params:
        code=code("write_provenance"),
    message:
        "Writing the provenance of all files"
    script:
        "../scripts/write_provenance.py"
