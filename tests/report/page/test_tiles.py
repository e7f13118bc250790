"""The tiles at the top of the page compare accuracy with chance, and claim no more than the interval allows."""

from made_findings import rows_of

from parley.report.page.headline import tiles


def test_held_out_splits_are_shown_in_order_and_no_others():
    rows = [row for part in ("train", "ood", "test", "dev", "ood_alone") for row in rows_of([0.5, 0.51], part)]
    assert [row.part for _, row, _ in tiles(rows, "adaptive")] == ["test", "ood_alone", "ood"]
    assert {row.metric for _, row, _ in tiles(rows, "adaptive")} == {"accuracy@1"}
    assert tiles(rows, "another") == []
    assert tiles(rows, "adaptive")[1][0] == "Unseen classes, with only these as candidates"


def test_a_tile_never_claims_more_than_the_interval_allows():
    values = ([0.5, 0.51], [0.2, 0.3], [0.1, 0.1], [0.5], [float("nan")])
    assert [tiles(rows_of(list(own)), "adaptive")[0][2] for own in values] == [
        "2.0 × chance (0.250); 2 seeds",
        "not significantly different from chance (0.250); 2 seeds",
        "below chance (0.250); 2 seeds",
        "2.0 × chance (0.250); 1 seed, so no interval",
        "every seed failed",
    ]
    assert [tiles(rows_of(own, candidates=1), "adaptive")[0][2] for own in ([1.0, 1.0], [1.0])] == [
        "only one candidate; 2 seeds",
        "only one candidate; 1 seed",
    ]
