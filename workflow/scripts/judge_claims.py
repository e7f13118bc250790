"""Test each claim in the config (`claims`) against the results of the runs."""

from pathlib import Path

from stage import stage

from parley.analysis.claim_measures import read_evidence
from parley.analysis.claims import judge_claims, write_claims
from parley.core.failures import successful

with stage(snakemake) as logger:
    rows = judge_claims(
        snakemake.params.claims,
        read_evidence(
            snakemake.params.games,
            successful(snakemake.input.evaluations),
            successful(snakemake.input.interventions),
            successful(snakemake.input.messages),
            snakemake.input.difficulty or None,
        ),
        len(snakemake.params.seeds),
    )
    for row in rows:
        logger.info("%s (%s): %s", row["statement"], row["part"], row["verdict"])
    write_claims(rows, Path(snakemake.output.table).parent)
