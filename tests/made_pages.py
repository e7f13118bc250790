"""Report pages of made-up experiments, and what tests ask of a page."""

from html.parser import HTMLParser

from made_runs import make_experiment

from parley.analysis.summary import failed_seeds, summarise, write_summary
from parley.core.files import write_json
from parley.metrics.analysis import analyse_run
from parley.metrics.records import read_evaluation
from parley.report.figures.draw import draw_run
from parley.report.figures.overview import draw_overview
from parley.report.figures.registry import figure_names
from parley.report.figures.results import RunFiles
from parley.report.page.build import build_report


class Page(HTMLParser):
    """What a test asks of the page: its tags, its text, and the values in its tables' cells."""

    def __init__(self, text):
        super().__init__()
        self.tags = []
        self.ids = []
        self.values = {}
        self.text = ""
        self._row = self._metric = None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attributes = dict(attrs)
        self.tags.append((tag, attributes))
        if "id" in attributes:
            self.ids.append(attributes["id"])
        if tag == "tr":
            self._row = (attributes.get("data-run"), attributes.get("data-part"))
        if tag == "td":
            self._metric = attributes.get("data-metric")
        if tag == "data" and self._metric:
            self.values.setdefault((*self._row, self._metric), []).append(float(attributes["value"]))

    def handle_startendtag(self, tag, attrs):
        self.handle_starttag(tag, attrs)

    def handle_data(self, data):
        self.text += data


STUB = '<svg xmlns="http://www.w3.org/2000/svg" width="360pt" height="90pt" viewBox="0 0 360 90"><g id="a"/></svg>'


def stub_figures(folder, runs):
    """Empty figures in place of drawn ones: most tests are about the page around them."""
    folder.mkdir(parents=True)
    for name in figure_names(runs):
        (folder / f"{name}.svg").write_text(STUB)


def build(folder, expected=None, extra=None, drawn=False, warnings=(), **how):
    made = make_experiment(folder, **how)
    for path in made.files("messages.hdf5"):
        analysis = analyse_run(path.parent)
        write_json(path.with_name("analysis.json"), {**analysis, "warnings": [*analysis["warnings"], *warnings]})
    evaluations = [read_evaluation(path) for path in made.files("evaluation.json")]
    owners = expected or made.owners
    rows = summarise(evaluations, owners)
    write_summary(rows, failed_seeds(evaluations, owners), folder / "summary.csv", folder / "summary.json")
    kinds = ("analysis.json", "metrics.jsonl", "selection.json", "flips.json")
    files = RunFiles(*map(made.files, kinds))
    stub_figures(folder / "figures", list(how.get("runs", ("adaptive",))))
    if drawn:
        # One run's figures are enough: drawing takes longer than all the rest.
        own = [row for row in rows if row.run == "adaptive"]
        write_summary(own, [], folder / "one.csv", folder / "one.json")
        draw_overview(folder / "one.json", folder / "figures")
        draw_run("adaptive", files, folder / "figures")
    out = folder / "report.html"
    inputs = {
        "summary_json": folder / "summary.json",
        "files": files,
        "evaluations": made.files("evaluation.json"),
        "messages": made.files("messages.hdf5"),
        "funnel": None,
        "words_missing": None,
        "figures_folder": folder / "figures",
        "config": {"experiment": "made-up", "game": {"preset": "Adaptive", "message_bits": 4}},
        "out": out,
    }
    build_report(**(inputs | (extra or {})))
    return out.read_text(encoding="utf-8")
