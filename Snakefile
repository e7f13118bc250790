# Parley: from a list of URLs to figures with confidence intervals.
#
# A stage's target makes everything up to that stage: `uv run snakemake --cores all features`.
# The default target makes the report. Another experiment: `--configfile config/photos.yaml`.
# Targets whose files `parley.load` or `parley compare` read also write config.yaml, which lists the present runs.

from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

min_version("9.27")

# Not `workflow.basedir`, which is another Snakefile's folder if that one uses this one as a module.
BASE = Path(workflow.current_basedir.get_path_or_uri(secret_free=True))
if not BASE.is_dir():
    raise WorkflowError(
        f"{BASE} is not a local folder; clone Parley, and give `module` the path of the Snakefile in the clone."
    )
if {"{", "}"} & set(str(BASE)):
    raise WorkflowError(
        f"{BASE} contains a brace, which Snakemake would read as a wildcard; rename the folder, or move the project."
    )


# A config given on the command line is completed by the schema's defaults alone. Snakemake would merge it over
# config.yaml and keep the keys that it does not set.
if not workflow.config_settings.configfiles:

    configfile: "config.yaml" if Path("config.yaml").exists() else f"{BASE}/config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/functions.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/text.smk"
include: "workflow/rules/training.smk"
include: "workflow/rules/evaluation.smk"
include: "workflow/rules/analysis.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/export.smk"


PARSED_CODE.save()


onstart:
    hooks.start(
        workflow,
        INPUT_CHECK,
        DIGESTS,
        PARSED_CODE,
        [*Path(CACHE_FOLDER).glob("*"), *ARCHIVES_FOLDER.glob("*")],
        introduction,
    )


onsuccess:
    hooks.succeed(
        workflow, [result("report.html"), result("summary.json")], print_summary
    )


onerror:
    hooks.fail(workflow)


rule all:
    default_target: True
    input:
        result("report.html"),
        result("browser.html"),
        result("config.yaml"),
        VALUES.of_images("plan.tsv"),
        VALUES.of_images("splits.tsv"),
        VALUES.of_images("data_card.md"),
        VALUES.images(),
        RUN_PATHS.all_messages(),
        RUN_PATHS.all_attention(VALUES.attending_runs),
        result("provenance.json") if SHARES_DISK else [],
    message:
        "Done: the report is {input[0]}, and all dialogues are in {input[1]}"


rule urls:
    input:
        PATHS.url_list or [],


rule classes:
    input:
        PATHS.plan("candidates.tsv") if VALUES.from_images else [],


rule plan:
    input:
        VALUES.of_images("plan.tsv"),


rule images:
    input:
        VALUES.images(),


rule splits:
    input:
        VALUES.of_images("splits.tsv"),
        VALUES.of_images("classes.tsv"),
        VALUES.images(),


rule data_card:
    input:
        VALUES.of_images("data_card.md"),


rule features:
    input:
        PATHS.split_files(),


rule descriptions:
    input:
        result("descriptions.csv"),


rule words:
    input:
        result("words.hdf5"),


rule train:
    input:
        run_files("metrics.jsonl"),


rule select:
    input:
        run_files("best.pt"),


rule evaluate:
    input:
        run_files("evaluation.json"),
        result("config.yaml"),


rule messages:
    input:
        RUN_PATHS.all_messages(),
        RUN_PATHS.all_attention(VALUES.attending_runs),
        result("config.yaml"),


rule metrics:
    input:
        result("summary.csv"),
        result("summary.json"),
        result("language.csv"),
        result("exchanges.csv"),
        result("comparisons.csv"),
        result("difficulty.csv") if has_classifier(CONFIG) else [],
        result("interventions.csv"),
        result("agreement.csv"),
        result("config.yaml"),


rule summary:
    input:
        result("summary.csv"),
        result("summary.json"),
        result("config.yaml"),


rule language:
    input:
        result("language.csv"),
        result("exchanges.csv"),
        result("config.yaml"),


rule comparisons:
    input:
        result("comparisons.csv"),
        result("config.yaml"),


rule difficulty:
    input:
        result("difficulty.csv"),
        result("config.yaml"),


rule interventions:
    input:
        result("interventions.csv"),
        result("config.yaml"),


rule agreement:
    input:
        result("agreement.csv"),
        result("config.yaml"),


rule claims:
    input:
        result("claims.md"),
        result("config.yaml"),


rule export:
    input:
        result("export/messages.parquet"),
        result("export/elcc"),
        result("export/emlangkit"),
        result("config.yaml"),


rule hub:
    input:
        result("export/hub"),
        result("config.yaml"),


rule tables:
    input:
        VALUES.tables(),
        result("config.yaml"),


rule provenance:
    input:
        result("provenance.json"),


rule report:
    input:
        result("report.html"),


rule browser:
    input:
        result("browser.html"),


# After the targets, whose inputs it reads.
include: "workflow/rules/provenance.smk"


snakemake_patches.name_groups(workflow)
snakemake_patches.rerun_if_older(workflow, rules.write_provenance.rule, requested_files)
snakemake_patches.patch_update_needrun()
snakemake_patches.run_between_until_rules()
snakemake_patches.quote_paths()
hooks.check_dry_runs(workflow, INPUT_CHECK)
hooks.exit_if_every_seed_failed(workflow)
