"""The headline's numbers, and how they are said to stand to chance."""

from made_findings import rows_of

from parley.report.page.tiles import tiles


def test_held_out_parts_are_told_in_order_and_no_others():
    rows = [row for part in ("train", "ood", "test", "dev", "ood_alone") for row in rows_of([0.5, 0.51], part)]
    assert [one.row.part for one in tiles(rows, "adaptive")] == ["test", "ood_alone", "ood"]
    assert {one.row.metric for one in tiles(rows, "adaptive")} == {"accuracy@1"}
    assert tiles(rows, "another") == []


def test_a_tile_never_claims_more_than_there_is():
    said = {tuple(values): tiles(rows_of(values), "adaptive")[0].verdict for values in (
        [0.5, 0.51], [0.2, 0.3], [0.1, 0.1], [0.5], [float("nan")],
    )}  # fmt: skip
    assert list(said.values()) == [
        "2.0 × chance (0.250); 2 seeds",
        "not told apart from chance (0.250); 2 seeds",
        "below chance (0.250); 2 seeds",
        "2.0 × chance (0.250); 1 seed, so no interval",
        "no seed came through",
    ]
