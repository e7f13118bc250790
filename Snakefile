# Parley: from a list of URLs to figures with confidence intervals.
#
# A stage's target makes everything up to that stage: `snakemake --cores all features`.
# Without a target the report is made. Another experiment: `--configfile config/photos.yaml`.
# Targets whose files are read by `parley.load` or `parley compare` also write down which runs there are now.

from snakemake.utils import min_version

min_version("9.27")


# A config given on the command line stands alone on the schema's defaults. Merged over the bundled
# world's, it would silently keep those of its keys that it does not name.
if not workflow.config_settings.configfiles:

    configfile: "config.yaml"


include: "workflow/rules/common.smk"
include: "workflow/rules/images.smk"
include: "workflow/rules/features.smk"
include: "workflow/rules/text.smk"
include: "workflow/rules/game.smk"
include: "workflow/rules/probes.smk"
include: "workflow/rules/analysis.smk"
include: "workflow/rules/claims.smk"
include: "workflow/rules/export.smk"


PARSED_CODE.save()


onstart:
    check_before_work()
    remember_code()
    look_when_a_job_is_done()


onsuccess:
    told_at_the_end(tell_summary)


onerror:
    told_at_the_end(tell_failures)


rule all:
    default_target: True
    input:
        result("report.html"),
        result("browser.html"),
        result("config.yaml"),
        result("plan.tsv") if FROM_IMAGES else [],
        result("splits.tsv") if FROM_IMAGES else [],
        result("data_card.md") if FROM_IMAGES else [],
        image_files(),
        all_messages(),
        all_attention(),
        result("provenance.json") if SHARES_DISK else [],
    message:
        "Everything is made; the report is {input[0]}, and every conversation is in {input[1]}"


rule urls:
    input:
        LAYOUT.url_list or [],


rule classes:
    input:
        LAYOUT.plan("candidates.tsv") if FROM_IMAGES else [],


rule plan:
    input:
        result("plan.tsv") if FROM_IMAGES else [],


rule images:
    input:
        image_files(),


rule splits:
    input:
        result("splits.tsv") if FROM_IMAGES else [],
        image_files(),


rule data_card:
    input:
        result("data_card.md") if FROM_IMAGES else [],


rule features:
    input:
        part_files(),


rule descriptions:
    input:
        result("descriptions.csv"),


rule words:
    input:
        result("words.hdf5"),


rule train:
    input:
        every_run("metrics.jsonl"),


rule select:
    input:
        every_run("best.pt"),


rule evaluate:
    input:
        every_run("evaluation.json"),
        result("config.yaml"),


rule messages:
    input:
        all_messages(),
        all_attention(),
        result("config.yaml"),


rule metrics:
    input:
        result("summary.csv"),
        result("summary.json"),
        result("language.csv"),
        result("exchanges.csv"),
        result("comparisons.csv"),
        result("difficulty.csv") if CLASSIFIER_LAYER else [],
        result("interventions.csv"),
        result("agreement.csv"),
        result("config.yaml"),


rule summary:
    input:
        result("summary.csv"),
        result("summary.json"),


rule language:
    input:
        result("language.csv"),
        result("exchanges.csv"),


rule comparisons:
    input:
        result("comparisons.csv"),


rule difficulty:
    input:
        result("difficulty.csv"),


rule interventions:
    input:
        result("interventions.csv"),


rule agreement:
    input:
        result("agreement.csv"),


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


rule tables:
    input:
        table_files(),
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


# After the targets, by which it knows what there is to tell of.
include: "workflow/rules/provenance.smk"
