"""Time and memory, from files as Snakemake writes them."""

import os
import subprocess
import sys

import pytest

from parley.report.page.origin import busy_seconds, read_costs

HEAD = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def benchmark(path, seconds, memory, ended):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{HEAD}{seconds}\t0:00:01\t{memory}\t1\t1\t1\t0\t0\t50\t1\n")
    os.utime(path, (ended, ended))


def test_jobs_are_summed_by_stage_in_the_order_of_the_data_line(tmp_path):
    benchmark(tmp_path / "train_run/a-1.tsv", 10, 700.4, 1000)
    benchmark(tmp_path / "train_run/a-2.tsv", 20.5, 650, 1015)
    benchmark(tmp_path / "draw_world.tsv", 5, 30, 900)
    benchmark(tmp_path / "another.tsv", 1, "-", 2000)
    benchmark(tmp_path / "build_report.tsv", 99, 100, 2001)
    costs = read_costs(tmp_path, ["draw_world", "fetch_images"])
    assert [tuple(one.values())[:5] for one in costs["stages"]] == [
        ("draw world", 1, 5, 5, 30),
        ("train run", 2, 30.5, 20.5, 700.4),
        ("another", 1, 1, 1, None),
    ]
    assert costs["stages"][1]["last"] == "1970-01-01 00:16"
    assert costs["seconds"] == 36.5
    # 895 to 900, 990 to 1015, of which 994.5 to 1000 twice, and 1999 to 2000.
    assert costs["wall_s"] == pytest.approx(5 + 25 + 1)
    assert costs["reused"] == ["fetch images"]


def test_a_malformed_benchmark_file_is_listed_and_does_not_affect_the_others(tmp_path):
    benchmark(tmp_path / "train_run/a-1.tsv", 10, 700, 1000)
    for name, content in (("empty", ""), ("half", HEAD + "1\t0:00"), ("other", "a\tb\n1\t2\n"), ("text", HEAD[:1])):
        (tmp_path / f"{name}.tsv").write_text(content)
    (tmp_path / "unfinished.tsv").write_text(HEAD + "-\t-\t1\t1\t1\t1\t0\t0\t50\t1\n")
    costs = read_costs(tmp_path)
    assert [one["stage"] for one in costs["stages"]] == ["train run"]
    assert costs["unreadable"] == ["empty.tsv", "half.tsv", "other.tsv", "text.tsv", "unfinished.tsv"]


def test_without_a_folder_there_are_no_costs(tmp_path):
    assert read_costs(tmp_path / "none")["stages"] == []


@pytest.mark.parametrize(
    ("spans", "busy"), [([], 0), ([(0, 2), (1, 3)], 3), ([(0, 9), (1, 2)], 9), ([(5, 6), (0, 1)], 2), ([(1, 1)], 0)]
)
def test_time_that_several_jobs_run_counts_once(spans, busy):
    assert busy_seconds(spans) == busy


SNAKEFILE = """
rule all:
    input: expand("{n}.txt", n=[1, 2])
rule train_run:
    output: "{n}.txt"
    benchmark: "benchmarks/train_run/{n}.tsv"
    shell: "sleep 0.6; touch {output}"
"""


@pytest.mark.slow
def test_files_that_snakemake_really_writes_are_read(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "-q"]
    subprocess.run(command, cwd=tmp_path, check=True, timeout=120)
    (stage,) = read_costs(tmp_path / "benchmarks")["stages"]
    assert (stage["stage"], stage["jobs"]) == ("train run", 2)
    assert 1.2 <= stage["seconds"] < 20
    assert read_costs(tmp_path / "benchmarks")["wall_s"] <= stage["seconds"] + 0.1
