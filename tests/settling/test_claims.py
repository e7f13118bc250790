import logging

import pytest
from settled import CLASSES, URLS, Fetched, assert_counts_add_up, keys_of

from parley.fetch.outcomes import MANIFEST_COLUMNS
from parley.files import read_table
from parley.settling.outcomes import host_of


def test_a_placeholder_is_told_by_all_classes_together(tmp_path, caplog):
    reserves = Fetched(tmp_path).reserves
    # Two URLs of each of three classes: within a class too few to tell.
    black = [*reserves["lion"]["train"][:2], *reserves["fox"]["dev"][:2], *reserves["hen"]["ood"][:2]]
    fetched = Fetched(tmp_path, sha256_of=dict.fromkeys(black, "black"), placeholder_repeats=5, margin=1.0)
    with caplog.at_level(logging.WARNING):
        report = fetched.settle()
    lowest = min(black)
    assert report["placeholders"] == [{"sha256": "black", "urls": 6, "example": URLS[lowest]}]
    assert "black" in caplog.text
    assert report["rejected"] == {"placeholder": 6}
    assert report["duplicates"] == 0
    assert "black" not in {row["sha256"] for row in fetched.splits()}
    assert report["classes"]["fox"]["dev"]["rejected"] == {"placeholder": 2}
    assert_counts_add_up(report)


def test_as_many_urls_as_may_be_are_duplicates(tmp_path):
    reserves = Fetched(tmp_path).reserves
    twins = [*reserves["lion"]["train"][:2], *reserves["fox"]["dev"][:1], *reserves["hen"]["ood"][:2]]
    fetched = Fetched(tmp_path, sha256_of=dict.fromkeys(twins, "same"), placeholder_repeats=5, margin=1.0)
    report = fetched.settle()
    assert (report["duplicates"], report["rejected"], report["placeholders"]) == (4, {}, [])
    assert [row["key"] for row in fetched.splits() if row["sha256"] == "same"] in ([min(twins)], [])


def test_what_one_class_took_for_a_placeholder_counts_against_the_others(tmp_path):
    reserves = Fetched(tmp_path).reserves
    black = [*reserves["lion"]["train"][:3], reserves["hen"]["ood"][0]]
    fetched = Fetched(tmp_path, sha256_of=dict.fromkeys(black, "black"), placeholder_repeats=2)
    assert fetched.settle()["rejected"] == {"placeholder": 4}
    assert reserves["hen"]["ood"][0] not in fetched.part("hen", "ood")


def test_every_url_is_counted_under_its_host(tmp_path):
    keys = keys_of("lion")
    fetched = Fetched(tmp_path, failures={key: "not_found" for key in keys if "host1" in URLS[key]})
    report = fetched.settle()
    assert set(report["hosts"]) == {"host0.example", "host1.example", "host2.example", "local"}
    tried = [row for one in CLASSES for row in read_table(tmp_path / f"{one.name}.tsv", MANIFEST_COLUMNS)]
    of_one = [row for row in tried if "host1" in row["url"]]
    assert report["hosts"]["host1.example"] == {
        "tried": len(of_one),
        "ok": sum(row["status"] == "ok" for row in of_one),
        "rejected": {"not_found": sum(row["status"] == "failed" for row in of_one)},
    }
    assert report["hosts"]["local"]["tried"] == sum("://" not in row["url"] for row in tried)
    assert_counts_add_up(report)


@pytest.mark.parametrize(
    ("address", "host"),
    [
        ("http://A.Example:8080/x", "a.example"),
        ("HTTPS://user:word@b.example", "b.example"),
        ("lion/7.jpg", "local"),
        ("http://[::1", "malformed"),
        ("http:///x.jpg", "malformed"),
    ],
)
def test_the_host_of_an_address(address, host):
    assert host_of(address) == host
