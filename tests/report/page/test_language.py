"""What the page says of messages as a language: no more than the seeds that were measured."""

from parley.report.page.language import language_lines, of_language


def row(metric, largest_p, n_seeds=5, seeds_failed=0):
    return {
        "run": "a", "part": "test", "metric": metric, "unit": "fraction", "mean": "0.5", "low": "", "high": "",
        "null_mean": "0.1", "null_high": "0.2", "largest_p": largest_p, "n_seeds": str(n_seeds),
        "seeds_failed": str(seeds_failed),
    }  # fmt: skip


def told(*rows):
    return of_language(language_lines(rows, "a"))


def test_what_every_seed_has_is_told_of_every_seed():
    assert told(row("accuracy@1", "0.001"), row("macro_f1", "0.04")) == (
        "All 2 measures that have a null are beyond what permutations give, in every seed (p < 0.05)."
    )
    assert told(row("accuracy@1", "0.001"), row("macro_f1", "0.2"), row("dead_bits", "")) == (
        "1 of the 2 measures that have a null are beyond what permutations give, in every seed (p < 0.05). "
        "Not so: Macro F1."
    )
    assert told(row("dead_bits", "")) == "None of the measures that have a null could be taken."


def test_what_some_seeds_lack_is_told_apart():
    lines = [
        row("accuracy@1", "0.001"),
        row("macro_f1", "0.001"),
        row("topographic_similarity", "0.001", 3, 2),
        row("information", "0.3", 1, 4),
    ]
    assert told(*lines) == (
        "All 2 measures that have a null are beyond what permutations give, in every seed (p < 0.05). "
        "Topographic similarity, to descriptions: beyond what permutations give, in each of the 3 seeds of 5 that "
        "could be measured (p < 0.05). "
        "Message and class: mutual information, uncorrected (bits): not beyond what permutations give, in the one seed "
        "of 5 that could be measured (p < 0.05)."
    )


def test_where_a_seed_diverged_no_measure_is_told_of_every_seed():
    assert told(row("accuracy@1", "0.001", 4, 1), row("macro_f1", "0.001", 4, 1)) == (
        "All 2 measures that have a null are beyond what permutations give, in each of the 4 seeds of 5 that could be "
        "measured (p < 0.05)."
    )
