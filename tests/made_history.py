"""A small history for tests: one job makes a table from words, another makes pages from the table."""

from parley.provenance.hashing import Hashes, files_of
from parley.provenance.records import Record, write_record

DAY = "2026-11-26T06:{:02d}:00.000+00:00"


def record(rule, inputs, outputs, minute=0, **values):
    """Return a record of files as they are now, of a job that ended in the given minute."""
    hashes = Hashes(None)
    found, left = (
        tuple(hashes.of(each, role) for role, paths in roles.items() for path in paths for each in files_of(path))
        for roles in (inputs, outputs)
    )
    ended = values.pop("ended", DAY.format(minute))
    rest = {"params": {}, "config": {}, "wildcards": {}, "commit": "c0ffee", "code": "abc", "device": "cpu"}
    rest |= {"packages": {"python": "3.11"}, "machine": {"cpu": "one", "cores": 2}, "threads": 1, "parley": "0"}
    rest |= {"usage": {"wall_s": 1.5, "cpu_s": 1.0, "memory_mib": 10.0}}
    return Record(rule=rule, inputs=found, outputs=left, started=ended, ended=ended, **{**rest, **values})


def write(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def small_history(folder):
    """Create it in a folder, which must be the working folder."""
    write(folder / "words.txt", "red\nblue\n")
    write(folder / "resources/table.tsv", "red\t1\nblue\t2\n")
    write_record(record("count", {"words": ["words.txt"]}, {"table": ["resources/table.tsv"]}, 1))
    write(folder / "results/e/pages/one.html", "<p>red</p>")
    write(folder / "results/e/pages/two.html", "<p>blue</p>")
    outputs = {"pages": ["results/e/pages"], "sum": ["results/e/sum.txt"]}
    write(folder / "results/e/sum.txt", "3")
    params = {"seed": 7, "colours": {"red": 1}}
    write_record(record("paint", {"table": ["resources/table.tsv"]}, outputs, 2, params=params))
