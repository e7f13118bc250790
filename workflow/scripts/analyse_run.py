"""Compute the metrics of each seed's recorded dialogues."""

from pathlib import Path

from stage import stage

from parley.core.failures import propagate_failure
from parley.core.files import write_json
from parley.metrics.analysis import analyse_run

with stage(snakemake):
    outputs = snakemake.output.analysis
    for index, (evaluation, out) in enumerate(zip(snakemake.input.evaluation, outputs, strict=True)):
        messages = snakemake.input.messages[index :: len(outputs)]  # They are ordered by evaluation set, then by seed.
        with propagate_failure([out]):
            write_json(out, analyse_run(Path(evaluation).parent, messages))
