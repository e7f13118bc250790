"""Put the config's claims to the test."""

from pathlib import Path

from stage import stage

from parley.analysis.claims.evidence import read_evidence
from parley.analysis.claims.table import judge_claims, write_claims
from parley.core.failures import came_through

with stage(snakemake) as logger:
    rows = judge_claims(
        snakemake.params.claims,
        read_evidence(
            snakemake.params.games,
            came_through(snakemake.input.evaluations),
            came_through(snakemake.input.interventions),
            came_through(snakemake.input.messages),
            snakemake.input.difficulty or None,
        ),
        len(snakemake.params.seeds),
    )
    for row in rows:
        logger.info("%s (%s): %s", row["statement"], row["part"], row["verdict"])
    write_claims(rows, Path(snakemake.output.table).parent)
