"""What the page says about messages as a language covers the measured seeds only."""

from parley.report.page.sections import language_lines, of_language


def row(metric, largest_p, n_seeds=5, seeds_failed=0):
    return {
        "run": "a", "part": "test", "metric": metric, "unit": "fraction", "mean": "0.5", "low": "", "high": "",
        "null_mean": "0.1", "null_high": "0.2", "largest_p": largest_p, "n_seeds": str(n_seeds),
        "seeds_failed": str(seeds_failed),
    }  # fmt: skip


def words(*rows):
    return of_language(language_lines(rows, "a"))


def test_metrics_of_every_seed_are_reported_for_every_seed():
    assert words(row("accuracy@1", "0.001"), row("macro_f1", "0.04")) == (
        "All 2 metrics that have a null distribution are beyond chance in every seed (p < 0.05)."
    )
    assert words(row("accuracy@1", "0.001"), row("macro_f1", "0.2"), row("dead_bits", "")) == (
        "1 of the 2 metrics that have a null distribution is beyond chance in every seed (p < 0.05). "
        "The others: Macro F1."
    )
    assert words(row("dead_bits", "")) == "No metric that is compared with a null distribution was measured."


def test_metrics_that_some_seeds_lack_are_reported_separately():
    lines = [
        row("accuracy@1", "0.001"),
        row("macro_f1", "0.001"),
        row("topographic_similarity", "0.001", 3, 2),
        row("information", "0.3", 1, 4),
    ]
    assert words(*lines) == (
        "All 2 metrics that have a null distribution are beyond chance in every seed (p < 0.05). "
        "Topographic similarity, to descriptions: beyond chance in each of the 3 seeds that "
        "have a value, of 5 seeds (p < 0.05). "
        "Mutual information of message and class, uncorrected (bits): not beyond chance in the one seed "
        "that has a value, of 5 seeds (p < 0.05)."
    )


def test_if_a_seed_diverged_no_metric_is_reported_for_every_seed():
    assert words(row("accuracy@1", "0.001", 4, 1), row("macro_f1", "0.001", 4, 1)) == (
        "All 2 metrics that have a null distribution are beyond chance in each of the 4 seeds that "
        "have a value, of 5 seeds (p < 0.05)."
    )
