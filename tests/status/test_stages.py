"""Jobs grouped into stages, and why they are not done."""

import io
import json
from dataclasses import replace

import pytest

from parley.core.terminal import console
from parley.status.jobs import Change, Job, Plan
from parley.status.stages import UPDATED, all_code_changed, as_json, command, is_up_to_date, show, stages_of

LINE = {"urls": [0], "train": [1, 2], "metrics": [3, 4], "summary": [3], "report": [5]}
"""Targets in the Snakefile's order, with the jobs they ask for."""


def job(number, *depends_on, rule=None, **known):
    name = rule or f"rule_{number}"
    return Job(number, name, (f"out/{number}",), depends_on=frozenset(depends_on), made=1e9, **known)


def plans(*changed, default=(0, 1, 2, 3, 5), targets=LINE, locked=""):
    """A line of six jobs, the fifth on request; some replaced."""
    jobs = {one.number: one for one in (job(0), job(1, 0), job(2, 0), job(3, 1, 2), job(4, 3), job(5, 3))}
    jobs |= {one.number: one for one in changed}
    asked = {name: frozenset(numbers) for name, numbers in targets.items()}
    whole = Plan(jobs, asked, frozenset(jobs), locked)
    # Numbers of two plans have nothing to do with each other.
    shifted = {
        number + 10: replace(
            jobs[number],
            number=number + 10,
            depends_on=frozenset(n + 10 for n in jobs[number].depends_on),
            follows=frozenset(n + 10 for n in jobs[number].follows),
        )
        for number in default
    }
    return Plan(shifted, {}, frozenset(shifted), locked), whole


def stage(name, *changed, **options):
    (found,) = [one for one in stages_of(*plans(*changed, **options)) if one.name == name]
    return found


def test_each_job_belongs_to_the_earliest_stage_that_needs_it():
    stages = stages_of(*plans())
    assert [(one.name, one.jobs, one.on_request) for one in stages] == [
        ("urls", 1, False),
        ("train", 2, False),
        ("summary", 1, False),
        ("report", 1, False),
        ("metrics", 1, True),
    ]
    assert all(one.state == "done" and one.made == one.jobs and not one.reasons for one in stages)
    assert is_up_to_date(stages)


def test_a_job_that_no_target_needs_is_still_shown():
    stages = stages_of(*plans(targets={"urls": [0], "train": [1, 2], "summary": [3]}))
    assert [(one.name, one.jobs, one.on_request) for one in stages[-2:]] == [
        ("the rest", 1, False),
        ("the rest", 1, True),
    ]


@pytest.mark.parametrize(
    ("known", "state", "reasons"),
    [
        ({"changes": (Change("training.steps", 3000, 4000),)}, "stale", ["1 of 2: training.steps 3000 → 4000"]),
        ({"code": ("parley.game.channel",)}, "stale", ["1 of 2: code changed: parley.game.channel"]),
        ({"code": ()}, "stale", ["1 of 2: code changed; the modules were not recorded"]),
        ({"newer": ("a", "b", "c", "d")}, "stale", ["1 of 2: newer than its outputs: a, b, c and 1 more"]),
        (
            {"inputs_added": ("x",), "inputs_gone": ("y",)},
            "stale",
            ["1 of 2: new inputs: x", "1 of 2: removed inputs: y"],
        ),
        ({"environment": True}, "stale", ["1 of 2: software environment changed"]),
        ({"interrupted": True}, "stale", ["1 of 2: was interrupted"]),
        ({"gone": ("out/1",), "made": None}, "missing", ["1 of 2: not made yet"]),
        ({"gone": ("out/1",), "recorded": True}, "missing", ["1 of 2: gone: out/1"]),
        (
            {"gone": ("out/1",), "error": "No room.", "log": "a.log"},
            "missing",
            ["1 of 2: failed: No room.", "see a.log"],
        ),
        ({"follows": frozenset([0])}, "stale", ["follows from urls"]),
    ],
)
def test_reasons_in_words(known, state, reasons):
    found = stage("train", replace(job(1, 0), needed=True, **known))
    assert (found.state, found.made, list(found.reasons)) == (state, 1, reasons)


def test_a_reason_shared_by_all_jobs_is_given_once():
    both = [replace(job(number, 0), needed=True, code=("parley.training.loop",)) for number in (1, 2)]
    assert stage("train", *both).reasons == ("code changed: parley.training.loop",)


def test_started_jobs_are_running_during_a_run():
    found = stage(
        "train", replace(job(1, 0), needed=True, interrupted=True, gone=("out/1",)), locked="A run is going on."
    )
    assert (found.state, found.reasons) == ("running", ("1 of 2: running now",))


def test_a_missing_file_that_no_job_needs_is_a_note():
    found = stage("train", replace(job(1, 0), gone=("out/1",)))
    assert (found.state, found.made) == ("done", 1)
    assert found.notes == ("out/1 is gone; no remaining job reads it",)


def test_a_seed_that_failed_in_training_is_a_note():
    found = stage("train", replace(job(1, 0), failed_runs={"results/e/runs/[red]x[_]/2": "No number."}))
    assert (found.state, found.notes) == ("done", ("seed 2 of run [red]x[_] failed in training: No number.",))


def test_stages_on_request_do_not_affect_up_to_date():
    stages = stages_of(*plans(replace(job(4, 3), needed=True, gone=("out/4",))))
    assert is_up_to_date(stages)
    assert [one.state for one in stages if one.on_request] == ["missing"]


def test_markup_in_names_is_shown_literally():
    stages = stages_of(*plans(replace(job(1, 0), needed=True, changes=(Change("[red]x[/]", "[b]", ":smile:"),))))
    stream = io.StringIO()
    show("e", ["my config.yaml"], stages, False, console(stream))
    assert "[red]x[/] [b] → :smile:" in stream.getvalue()
    assert "1 job to do: uv run snakemake --cores all --configfile 'my config.yaml'" in stream.getvalue()


def test_json_has_the_content_of_the_table():
    stages = stages_of(*plans(replace(job(1, 0), rule="train_run", needed=True, newer=("a",))))
    value = json.loads(as_json("e", [], stages, False))
    assert (value["up_to_date"], value["locked"], value["next"]) == (False, False, command([]))
    train = next(one for one in value["stages"] if one["name"] == "train")
    assert (train["state"], train["jobs"], train["made"], train["to_run"]) == ("stale", 2, 1, {"train_run": 1})
    assert train["last_made"].startswith("2001-09-0")


def test_after_an_update_of_parley_a_line_says_that_all_stages_rerun():
    old = [job(number, needed=True, recorded=True, has_code=True, code=("parley.core.files",)) for number in range(6)]
    fetched = job(6, recorded=True)
    assert all_code_changed(plans(*old, fetched)[1])
    assert not all_code_changed(plans(*old[1:], job(0, recorded=True, has_code=True))[1])
    assert not all_code_changed(plans()[1])
    stream = io.StringIO()
    default, whole = plans(*old)
    show("world", [], stages_of(default, whole), "", console(stream), all_code_changed(whole))
    assert UPDATED in stream.getvalue()
