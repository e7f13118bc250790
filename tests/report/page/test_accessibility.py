"""The page under axe-core in a real browser: light and dark, wide and as narrow as a phone."""

import json
import shutil
from itertools import pairwise

import pytest
from made_pages import build

playwright = pytest.importorskip("playwright.sync_api")
axe = pytest.importorskip("axe_playwright_python.sync_playwright")
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="no Chromium on this machine")]
WIDTHS = (1200, 360)
LABELS = ("<b>cat</b>", "\"dog\" & 'so'", "שלום", "🦜 parrot", *(f"class {number}" for number in range(13)))
"""So many that one of the figures is wider than a phone."""
LANGUAGE = """run,part,metric,unit,mean,sd,low,high,n_seeds,seeds_failed,null_mean,null_high,largest_p
adaptive,test,accuracy@1,fraction,0.5,0.1,0.4,0.6,3,0,0.25,0.3125,0.001
"""
COUNTS = {"candidates": 10, "tried": 8, "ok": 5, "duplicates": 1, "near_copies": 0, "spare": 1, "kept": 3, "wanted": 4}


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as running:
        # Without a sandbox, as containers need it; the pages are our own.
        browser = running.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="module", params=[1, 4], ids=["one run", "many runs"])
def page(request, tmp_path_factory):
    """A page with all its sections, of one run with everything in sight, and of so many that they are folded."""
    folder = tmp_path_factory.mktemp("page")
    funnel = {"classes": {label: {"test": COUNTS | {"rejected": {"gone": 3}}} for label in LABELS}}
    (folder / "funnel.json").write_text(json.dumps(funnel))
    (folder / "language.csv").write_text(LANGUAGE)
    (folder / "benchmarks").mkdir()
    (folder / "benchmarks/train_run.tsv").write_text("s\tmax_rss\n12.5\t700.1\n")
    extra = {
        name: folder / f"{name}{end}" for name, end in (("funnel", ".json"), ("language", ".csv"), ("benchmarks", ""))
    }
    runs = ("adaptive", "b", "c", "d")[: request.param]
    build(folder, labels=LABELS, unseen=("emu", "gnu"), runs=runs, drawn=True, extra=extra)
    return (folder / "report.html").as_uri()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_serious_is_found_and_nothing_sticks_out(browser, page, width, scheme):
    view = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
    asked = []
    view.on("request", lambda request: asked.append(request.url))
    view.goto(page)
    view.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    found = axe.Axe().run(view).response["violations"]
    told = [(one["impact"], one["id"], one["nodes"][0]["html"][:200]) for one in found]
    assert [one for one in told if one[0] in ("serious", "critical")] == []
    assert view.evaluate("document.documentElement.scrollWidth") <= width
    assert [url for url in asked if not url.startswith(("data:", "file:"))] == []
    view.close()


def test_headings_go_down_a_level_at_a_time(browser, page):
    view = browser.new_page()
    view.goto(page)
    levels = view.evaluate("[...document.querySelectorAll('h1,h2,h3,h4,h5,h6')].map(one => Number(one.tagName[1]))")
    view.close()
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in pairwise(levels))


def test_names_are_seen_as_they_are(browser, page):
    view = browser.new_page(viewport={"width": 1200, "height": 900})
    view.goto(page)
    view.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    text = view.inner_text("body")
    drawn = view.evaluate("[...document.querySelectorAll('figure svg text')].map(one => one.textContent)")
    made = view.evaluate("document.querySelectorAll('figure b b, figcaption script, bdi b').length")
    view.close()
    for label in LABELS[:4]:
        assert label in text
        assert label in drawn
    assert made == 0


CURRENT = "[...document.querySelectorAll('#contents [aria-current]')].map(one => one.textContent)"


def test_the_contents_stay_in_view_name_every_section_and_mark_the_one_in_view(browser, page):
    view = browser.new_page(viewport={"width": 1200, "height": 900})
    view.goto(page)
    assert view.evaluate(CURRENT) == ["Summary"]
    linked = view.evaluate("[...document.querySelectorAll('#contents a, #runs a')].map(one => one.hash.slice(1))")
    # With many runs, what is in the section of a run is folded.
    sections = view.evaluate(
        "[...document.querySelectorAll('main section, main h3[id]')].filter(one => !one.closest('details'))"
        ".map(one => one.id)"
    )
    assert [one for one in sections if one not in linked] == []
    view.click("#contents a[href='#data']")
    view.wait_for_function(f"{CURRENT}[0] === 'Data'")
    assert view.evaluate(f"{CURRENT}.length") == 1
    assert view.evaluate("document.querySelector('nav').getBoundingClientRect().top") == 0
    head = view.evaluate("document.querySelector('#data h2').getBoundingClientRect().top")
    assert head >= view.evaluate("document.querySelector('nav').getBoundingClientRect().bottom")
    view.close()


def test_on_a_phone_the_contents_unfold_and_need_no_script(browser, page):
    context = browser.new_context(viewport={"width": 360, "height": 700}, java_script_enabled=False)
    view = context.new_page()
    view.goto(page)
    link = view.locator("#contents a[href='#made-with']")
    assert not link.is_visible()
    view.click("nav button")
    link.click()
    assert view.url.endswith("#made-with")
    assert view.locator("#made-with h2").bounding_box()["y"] < 700
    context.close()


def test_wide_elements_show_that_they_scroll(browser, page):
    view = browser.new_page(viewport={"width": 360, "height": 900})
    view.goto(page)
    view.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    # The event that a fold has opened comes later.
    view.wait_for_function(
        "[...document.querySelectorAll('.scroll, .drawing')].every(one =>"
        "(one.scrollWidth > one.clientWidth + 1) === getComputedStyle(one, '::before').content.includes('Scroll'))"
    )
    boxes = view.evaluate(
        "[...document.querySelectorAll('.scroll, .drawing')].map(one => [one.classList[0],"
        "one.scrollWidth > one.clientWidth + 1, getComputedStyle(one, '::before').content.includes('Scroll')])"
    )
    outside = view.evaluate(
        "[...document.querySelectorAll('main *')].filter(one => !one.closest('.scroll, .drawing') &&"
        "one.getBoundingClientRect().right > 360).length"
    )
    view.close()
    assert {kind for kind, wide, _ in boxes if wide} == {"scroll", "drawing"}
    assert [box for box in boxes if box[1] != box[2]] == []
    assert outside == 0
