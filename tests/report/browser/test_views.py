"""The browser's page in Chromium: every view shows what the files of messages say, by any way that leads to it."""

import json
import re

import h5py
import numpy as np
import pytest
from made_browsers import GRID, HOSTILE, UNSEEN, WHY, WORDS, Recorded, whole_experiment
from made_runs import Talk, make_experiment, write_messages
from playwright.sync_api import expect

from parley.report.browser.build import build_browser

pytestmark = pytest.mark.slow

VIEWS = {
    "list": "",
    "filtered": "#label=plain&answer=wrong",
    "correct beside wrong": "#order=beside",
    "nothing": "#search=zzz",
    "dialogue": "#view=dialogue&key={key}",
    "after the stop": "#view=dialogue&key={key}&after=1",
    "side by side": "#view=dialogue&key={key}&beside=fixed/1/test",
    "attention": "#run=fixed&view=dialogue&key={key}&after=1",
    "numbers": "#run=numbers&view=dialogue&key={key}",
    "bits": "#view=bits",
    "bit": "#view=bit&bit=4",
    "no bits": "#run=numbers&view=bits",
    "failed": "#run=fixed&seed=2",
    "unseen": "#part=ood",
    "no such": "#view=dialogue&key=none",
    "no such class": "#label=dodo",
    "no such run": "#run=none",
}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return whole_experiment(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="module")
def recorded(made):
    return Recorded(made.file("adaptive", 0))


@pytest.fixture
def show(made, open_page):
    """Opens the page at an address and waits for its view."""

    def showing(address="", **how):
        opened = open_page(made.page, address=address, **how)
        opened.page.wait_for_selector("#main h2", state="attached")
        return opened

    return showing


def keys_shown(page):
    return page.locator("#main .cards a").evaluate_all("cards => cards.map((card) => card.dataset.key)")


def until(page, expression):
    page.wait_for_function(expression)


def quickly_stopped(recorded):
    """A conversation that stops before the last exchange and after the first."""
    return next(key for key in recorded.keys if 1 < recorded.length(key) < recorded.exchanges)


def test_all_conversations_are_listed_with_class_answer_length_and_confidence(show, recorded):
    page = show().page
    assert keys_shown(page) == recorded.keys
    right = sum(recorded.right(key) for key in recorded.keys)
    assert page.locator("#count").inner_text() == f"{len(recorded.keys)} dialogues, {right} correct"
    for key in recorded.keys[::5]:
        card = page.locator(f'[data-key="{key}"]')
        assert card.locator("b").text_content() == HOSTILE[recorded.target(key)]
        answer = "correct" if recorded.right(key) else f"taken for {HOSTILE[recorded.named(key)]}"
        assert answer in card.text_content()
        length = recorded.length(key)
        said = card.locator("small").inner_text()
        assert said == f"{length} exchange{'s' * (length > 1)}, {recorded.confidence(key):.3f}"


def test_filters_keep_matching_dialogues(show, recorded):
    page = show().page
    page.select_option("#class", label=HOSTILE[3])
    page.select_option("#answer", "wrong")
    expected = [key for key in recorded.keys if recorded.target(key) == 3 and not recorded.right(key)]
    until(page, "() => location.hash.includes('answer=wrong')")
    until(page, f"() => document.querySelectorAll('#main .cards a').length === {len(expected)}")
    assert keys_shown(page) == expected
    page.click("text=Clear")
    until(page, f"() => document.querySelectorAll('#main .cards a').length === {len(recorded.keys)}")
    page.select_option("#shortest", "2")
    page.select_option("#longest", "3")
    page.fill("#surest-from", "40")
    page.fill("#surest-to", "90.5")
    expected = [
        key for key in recorded.keys if 2 <= recorded.length(key) <= 3 and 0.4 <= recorded.confidence(key) <= 0.905
    ]
    assert 0 < len(expected) < len(recorded.keys)
    until(page, f"() => document.querySelectorAll('#main .cards a').length === {len(expected)}")
    assert keys_shown(page) == expected


@pytest.mark.parametrize(
    ("order", "merit"),
    [
        ("surest", lambda recorded, key: -recorded.confidence(key)),
        ("least", lambda recorded, key: recorded.confidence(key)),
        ("longest", lambda recorded, key: -recorded.length(key)),
    ],
)
def test_the_list_can_be_ordered(show, recorded, order, merit):
    found = keys_shown(show(f"#order={order}").page)
    merits = [round(merit(recorded, key), 4) for key in found]
    assert merits == sorted(merits)
    assert sorted(found) == sorted(recorded.keys)


def test_an_image_is_found_by_the_beginning_of_its_key(show, recorded):
    page = show().page
    page.keyboard.press("/")
    assert page.evaluate("document.activeElement.id") == "search"
    page.keyboard.type("00030")
    expected = [key for key in recorded.keys if key.startswith("00030")]
    until(page, f"() => document.querySelectorAll('#main .cards a').length === {len(expected)}")
    assert keys_shown(page) == expected
    assert page.locator("#count").inner_text().startswith(f"{len(expected)} dialogues")
    assert page.locator("#count").get_attribute("aria-live") == "polite"
    page.keyboard.type("zzz")
    until(page, "() => document.getElementById('count').textContent.startsWith('No dialogue')")


@pytest.mark.parametrize(
    ("search", "words"),
    [("PLAIN", ["plain"]), ("  script ALERT", ["script", "alert"]), ("שלום", ["שלום"]), ("plain so", ["plain", "so"])],
)
def test_the_search_finds_the_true_class_and_the_one_it_was_taken_for(show, recorded, search, words):
    page = show().page
    page.fill("#search", search)

    def names(key):
        return HOSTILE[recorded.target(key)].lower(), HOSTILE[recorded.named(key)].lower()

    expected = [key for key in recorded.keys if all(any(word in name for name in names(key)) for word in words)]
    assert 0 < len(expected) < len(recorded.keys)
    assert any(not recorded.right(key) for key in expected)
    until(page, f"() => document.querySelectorAll('#main .cards a').length === {len(expected)}")
    assert keys_shown(page) == expected


def test_an_empty_list_names_the_search_and_filters_and_clears_them(show, recorded):
    page = show("#search=zzz+yy&answer=wrong&from=20&label=plain").page
    notice = page.locator("#main .notice").text_content()
    assert "matches: search “zzz yy”, class “plain”, wrong answers, confidence from 20\u00a0%." in notice
    page.focus("#clear")
    page.keyboard.press("Enter")
    until(page, f"() => document.querySelectorAll('#main .cards a').length === {len(recorded.keys)}")
    assert page.evaluate("document.activeElement.id") == "search"
    assert page.input_value("#search") == ""


@pytest.mark.parametrize("width", [1200, 360])
def test_correct_answers_of_a_class_are_next_to_its_wrong_ones(show, recorded, width):
    page = show("#order=beside", width=width).page
    sections = page.locator("section.beside").all()
    assert [section.locator("h3").text_content() for section in sections] == list(HOSTILE)
    for column, section in enumerate(sections):
        sides = section.locator("> div").all()
        for side, right in zip(sides, (True, False), strict=True):
            own = [key for key in recorded.keys if (recorded.target(key), recorded.right(key)) == (column, right)]
            assert (
                side.locator("h4").inner_text()
                == f"{'✓' if right else '✗'} {len(own)} {'correct' if right else 'wrong'}"
            )
            shown = side.locator("a").evaluate_all("cards => cards.map((card) => card.dataset.key)")
            assert sorted(shown) == sorted(own)
            merits = [round(recorded.confidence(key), 4) for key in shown]
            assert merits == sorted(merits, reverse=True)
        left, right = (side.bounding_box() for side in sides)
        assert left["y"] == right["y"]
        assert left["x"] + left["width"] <= right["x"]


def test_up_and_down_stay_on_a_side(show):
    page = show("#order=beside", width=360).page
    wrong = page.locator("section.beside > div:last-child .cards a")
    wrong.first.focus()
    for press, number in (("ArrowDown", 1), ("ArrowDown", 2), ("ArrowUp", 1)):
        page.keyboard.press(press)
        assert page.evaluate("document.activeElement.dataset.key") == wrong.nth(number).get_attribute("data-key")


def test_a_dialogue_shows_the_recorded_values(show, recorded):
    for key in (quickly_stopped(recorded), recorded.keys[-1]):
        page = show(f"#view=dialogue&key={key}").page
        page.wait_for_selector(".exchange")
        assert page.locator(".exchange").count() == recorded.length(key)
        for t in range(recorded.length(key)):
            check_exchange(page.locator(f'[data-exchange="{t + 1}"]'), recorded, key, t)
        last = page.locator(".exchange.last .going")
        assert last.locator("span").first.inner_text() in ("stops here", "would go on, but this is the last exchange")


def check_exchange(shown, recorded, key, t):
    agents = ["S"] if t == recorded.length(key) - 1 else ["S", "R"]
    texts = shown.locator(".squares").evaluate_all("all => all.map((one) => one.getAttribute('aria-label'))")
    assert len(texts) == len(agents)
    for agent, text in zip(agents, texts, strict=True):
        bits = recorded.bits(key, agent, t)
        expected = f"{'Sender' if agent == 'S' else 'Receiver'}: {' '.join(map(str, bits))}"
        if t:
            before = recorded.bits(key, agent, t - 1)
            changed = [str(place + 1) for place in range(len(bits)) if bits[place] != before[place]]
            expected += f"; changed: {', '.join(changed)}" if changed else "; no bit changed"
        assert text == expected
    check_squares(shown.locator(".message.sender"), recorded, key, t)
    chances = recorded.probabilities(key, t)
    order = np.argsort(-chances, kind="stable")
    rows = shown.locator(".ranking tbody tr").all_inner_texts()
    leaders = [(rank + 1, column) for rank, column in enumerate(order[:5].tolist())]
    target = recorded.target(key)
    if target not in order[:5]:
        leaders.append((int(np.flatnonzero(order == target)[0]) + 1, target))
    cells = [re.sub(r"\s+", " ", row).strip() for row in rows]
    for cell, (rank, column) in zip(cells, leaders, strict=True):
        name = re.sub(r"\s+", " ", HOSTILE[column])
        is_true = "true " if column == target else ""
        assert re.sub(r"\s", "", cell) == re.sub(r"\s", "", f"{rank}{name}{is_true}{chances[column]:.3f}")
    go_on = float(recorded.answered[key, t]["StopProb"])
    assert shown.locator(".go-on-probability").inner_text() == f"{go_on:.3f}"
    if t:
        product = np.prod([float(recorded.answered[key, before]["StopProb"]) for before in range(t + 1)])
        assert float(shown.locator(".go-on-product").inner_text()) == pytest.approx(product, abs=0.0006)


def test_the_number_at_the_stop_is_called_the_probability_of_going_on(tmp_path, open_page):
    """Of the two dialogues, one stops by its decision; the other goes on against it, as in a run of fixed length."""
    talks = [Talk(key, 0, [[2.0, 1.0]] * 3, length) for key, length in (("a", 2), ("b", 3))]
    path = write_messages(tmp_path / "runs/adaptive/0/messages.hdf5", talks, ["x", "y"])
    with h5py.File(path, "r+") as file:
        rows = file["Predictions"][:]
        rows["StopProb"] = [0.9, 0.2, 0.2, 0.4, 0.2, 0.2]
        rows["StopVec"] = [1, 0, 0, 0, 0, 0]
        file["Predictions"][:] = rows
    build_browser(experiment="stops", messages=[path], out=tmp_path / "browser.html")
    said = {}
    for key in "ab":
        page = open_page(tmp_path / "browser.html", address=f"#view=dialogue&key={key}").page
        page.wait_for_selector(".exchange")
        said[key] = page.locator(".going").all_inner_texts()
    stop = "stops here (probability of going on 0.200, product so far "
    assert said["a"] == ["goes on (probability of going on 0.900)", f"{stop}0.180)"]
    against = (
        "goes on, because this run’s dialogues have a fixed length; the Receiver would stop (probability of going on "
    )
    assert said["b"] == [f"{against}0.400)", f"{against}0.200, product so far 0.080)", f"{stop}0.016)"]


def check_squares(message, recorded, key, t):
    """Squares are full or open by value, and as strong as the bit was probable."""
    row = recorded.said[key, "S", t]
    squares = message.locator(".bit").evaluate_all("all => all.map((one) => [one.className, one.style.cssText])")
    for (kind, style), bit, chance in zip(squares, row["BinaryVec"], row["BinaryProb"], strict=True):
        assert ("one" in kind.split()) == bool(bit)
        assert float(re.search(r"--p: ?([\d.]+)", style)[1]) == pytest.approx(chance, abs=0.5 / 255 + 0.0006)


def test_the_true_class_is_shown_at_every_rank(show, made):
    for run, seed in made.experiment.owners:
        recorded = Recorded(made.file(run, seed))
        for key in recorded.keys:
            for t in range(recorded.length(key)):
                chances = recorded.probabilities(key, t)
                if (chances > chances[recorded.target(key)]).sum() >= 5:
                    page = show(f"#run={run}&seed={seed}&view=dialogue&key={key}").page
                    check_exchange(page.locator(f'[data-exchange="{t + 1}"]'), recorded, key, t)
                    line = page.locator(f'[data-exchange="{t + 1}"] .ranking tr.true')
                    assert line.locator(".rank").inner_text() == "6"
                    return
    pytest.fail("No true class ever stood behind five others.")


def test_a_link_to_an_older_page_opens_its_dialogue(show, recorded):
    page = show(f"#view=talk&key={recorded.keys[0]}").page
    page.wait_for_selector(".exchange")
    assert page.locator(".exchange").count() == recorded.length(recorded.keys[0])


def test_a_link_to_an_older_page_names_a_class_by_number(show, recorded):
    page = show("#class=3&answer=wrong").page
    assert keys_shown(page) == [key for key in recorded.keys if recorded.target(key) == 3 and not recorded.right(key)]
    assert page.input_value("#class") == HOSTILE[3]
    page.select_option("#answer", "")
    until(page, "() => location.hash.includes('label=')")
    assert "class=" not in page.url


def test_a_link_means_the_same_when_the_classes_change(show, tmp_path, open_page):
    """Without the first class and seed, every class has another number, and another seed is the first."""
    rest = make_experiment(tmp_path, labels=HOSTILE[3:], runs=("adaptive",), seeds=(1,), images=2, steps=4, bits=12)
    build_browser(experiment="later", messages=rest.files("messages.hdf5"), out=tmp_path / "later.html")
    page = show("#seed=1").page
    for label, found in ((HOSTILE[4], {HOSTILE[4]}), (HOSTILE[0], set())):
        page.select_option("#class", label=label)
        until(page, f"() => new URLSearchParams(location.hash.slice(1)).get('label') === {json.dumps(label)}")
        later = open_page(tmp_path / "later.html", address="#" + page.url.partition("#")[2]).page
        later.wait_for_selector("#main h2", state="attached")
        assert set(later.locator("#main .cards b").all_text_contents()) == found
        if not found:
            sentence = f"This split has no dialogue about a class named “{label}”."
            assert later.locator("#main .notice").text_content() == sentence
    first = show().page
    first.locator("#main .cards a").first.click()
    first.wait_for_selector(".exchange")
    later = open_page(tmp_path / "later.html", address="#" + first.url.partition("#")[2]).page
    later.wait_for_selector("#main .notice")
    assert later.locator("#main .notice").text_content() == "Run adaptive has no seed “0”, only these: 1."


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("#run=none", "This page has no run “none”, only these: adaptive; fixed; numbers."),
        ("#seed=7", "Run adaptive has no seed “7”, only these: 0; 1."),
        ("#run=numbers&part=ood", "Seed 0 of run numbers has no split “ood”, only these: test."),
        ("#view=dialogue&key={key}&beside=none/1/test", "This page has no dialogue of none/1/test about this image"),
        ("#view=bit&bit=13", "There is no bit 13: the messages of this run have 12 bits."),
    ],
)
def test_a_name_missing_from_the_page_is_reported(show, recorded, address, sentence):
    page = show(address.format(key=recorded.keys[0])).page
    assert sentence in page.locator("#main .notice").text_content()


def test_another_run_without_the_split_or_seed_is_shown_with_one_it_has(show):
    page = show("#seed=1&part=ood").page
    page.select_option("#run", "numbers")
    page.wait_for_selector("#main .cards a .words")
    until(page, "() => location.hash.includes('run=numbers')")
    assert (page.input_value("#seed"), page.input_value("#part")) == ("0", "test")


def test_the_legend_explains_the_view_and_remembers_that_it_is_folded(show, recorded):
    page = show().page
    assert "taken for another class" in page.locator("#legend").inner_text()
    page.locator("#main .cards a").first.click()
    page.wait_for_selector(".exchange")
    legend = page.locator("#legend")
    assert "blue: Sender; orange: Receiver" in legend.inner_text()
    assert "attention" not in legend.inner_text()
    page.focus("#legend summary")
    page.keyboard.press("Enter")
    page.reload()
    page.wait_for_selector(".exchange")
    assert legend.get_attribute("open") is None
    page.click("#legend summary")
    page.reload()
    page.wait_for_selector(".exchange")
    assert legend.get_attribute("open") == ""


def test_the_legend_lists_only_marks_in_use(show, recorded):
    key = recorded.keys[0]
    attending = show(f"#run=fixed&view=dialogue&key={key}").page.locator("#legend").inner_text()
    numbers = show(f"#run=numbers&view=dialogue&key={key}").page.locator("#legend").inner_text()
    assert "Sender attention" in attending
    assert "bit is 1" not in numbers
    assert "dashed: negative" in numbers
    legend = show("#part=ood").page.locator("#legend")
    expect(legend).to_contain_text("the candidates are the seen and the unseen", use_inner_text=True)
    narrow = show(width=360).page
    assert narrow.locator("#legend").get_attribute("open") is None


def test_exchanges_after_the_stop_are_hidden_until_asked_for(show, recorded):
    key = quickly_stopped(recorded)
    page = show(f"#view=dialogue&key={key}").page
    page.click("button.after")
    until(page, f"() => document.querySelectorAll('.exchange').length === {recorded.exchanges}")
    assert page.locator(".exchange.over").count() == recorded.exchanges - recorded.length(key)
    assert "after the stop" in page.locator(".exchange.over h4").first.inner_text()
    assert page.locator("button.after").get_attribute("aria-pressed") == "true"


def test_the_nearest_messages_are_nearest(show, recorded):
    key = recorded.keys[7]
    page = show(f"#view=dialogue&key={key}").page
    own = np.array(recorded.last(key))
    apart = {other: int((np.array(recorded.last(other)) != own).sum()) for other in recorded.keys if other != key}
    expected = sorted(apart.values())[:8]
    cards = page.locator(".nearest .cards a")
    found = [(card.get_attribute("data-key"), card.locator("small").inner_text()) for card in cards.all()]
    assert [text for _, text in found] == [f"distance {bits} bit{'s' * (bits != 1)}" for bits in expected]
    assert [apart[other] for other, _ in found] == expected
    assert page.locator(".nearest img").count() >= 7


def test_two_seeds_and_two_runs_are_shown_side_by_side(show, made):
    key = Recorded(made.file("adaptive", 0)).keys[4]
    page = show(f"#view=dialogue&key={key}").page
    for run, seed in (("adaptive", 1), ("fixed", 0)):
        page.select_option("#beside", f"{run}/{seed}/test")
        page.wait_for_selector(f'.dialogue[data-run="{run}"][data-seed="{seed}"]')
        other = Recorded(made.file(run, seed))
        for owner, whose in ((("adaptive", 0), Recorded(made.file("adaptive", 0))), ((run, seed), other)):
            column = page.locator(f'.dialogue[data-run="{owner[0]}"][data-seed="{owner[1]}"]')
            assert column.locator(".exchange").count() == whose.length(key)
            check_exchange(column.locator('[data-exchange="1"]'), whose, key, 0)
    boxes = page.locator(".dialogue").evaluate_all("all => all.map((one) => one.getBoundingClientRect().top)")
    assert boxes[0] == boxes[1]


def test_a_bit_shows_its_use_and_information(show, recorded):
    page = show("#view=bit&bit=4").page
    ones = {key: recorded.last(key)[3] for key in recorded.keys}
    assert page.locator("#bit-use").inner_text() == f"{sum(ones.values()) / len(ones):.3f}"
    assert page.locator("#bit-information").inner_text() == f"{information(recorded, 3):.3f}"
    for row in page.locator(".classes tbody tr").all():
        cells = row.locator("th, td").all_text_contents()
        of_class = [key for key in ones if HOSTILE[recorded.target(key)] == cells[0]]
        with_bit = sum(ones[key] for key in of_class)
        assert cells[1:3] == [str(len(of_class)), str(with_bit)]
        assert float(cells[3]) == pytest.approx(with_bit / len(of_class), abs=0.0005)
        assert float(cells[5]) == pytest.approx(len(of_class) / len(ones), abs=0.0005)
    set_it, not_it = page.locator(".bit-page section").all()
    for section, value in ((set_it, 1), (not_it, 0)):
        keys = section.locator("a").evaluate_all("cards => cards.map((card) => card.dataset.key)")
        assert len(keys) == min(24, sum(bit == value for bit in ones.values()))
        assert all(ones[key] == value for key in keys)


def information(recorded, bit):
    """What a bit tells of the class, in bits, with the correction of Miller and Madow, from counts."""
    table = np.zeros((len(recorded.labels), 2))
    for key in recorded.keys:
        table[recorded.target(key), recorded.last(key)[bit]] += 1

    def entropy(counts):
        shares = counts[counts > 0] / counts.sum()
        return -(shares * np.log2(shares)).sum() + (len(shares) - 1) / (2 * counts.sum() * np.log(2))

    return entropy(table.sum(0)) + entropy(table.sum(1)) - entropy(table.reshape(-1))


def test_all_bits_lead_to_their_pages(show, recorded):
    page = show("#view=bits").page
    rows = page.locator(".bits tbody tr").all()
    assert len(rows) == 12
    for bit, row in enumerate(rows):
        cells = row.locator("td").all_text_contents()
        assert cells[0] == f"{np.mean([recorded.last(key)[bit] for key in recorded.keys]):.3f}"
        assert float(cells[1]) == pytest.approx(information(recorded, bit), abs=0.00051)
    rows[6].locator("a").click()
    page.wait_for_selector("text=Bit 7 of the Sender's last message")


def test_a_square_leads_to_its_bit(show, recorded):
    page = show(f"#view=dialogue&key={recorded.keys[0]}").page
    page.locator(".message.sender .bit").nth(2).click()
    page.wait_for_selector("text=Bit 3 of the Sender's last message")


def test_attention_is_shown_over_cells_and_words(show, made):
    recorded = Recorded(made.file("fixed", 0))
    key = next(key for key in recorded.keys if not recorded.right(key))
    with h5py.File(made.file("fixed", 0, kind="attention")) as file:
        row = [name.decode() for name in file["Key"][:]].index(key)
        cells, words = file["Sender"][row], file["Receiver"][row].astype(float)
    page = show(f"#run=fixed&view=dialogue&key={key}").page
    for t in range(recorded.length(key)):
        shown = page.locator(f'[data-exchange="{t + 1}"]')
        titles = shown.locator(".cells i").evaluate_all("all => all.map((one) => one.title)")
        assert len(titles) == GRID[0] * GRID[1]
        for cell, title in enumerate(titles):
            place, weight = title.split(": ")
            assert place == f"Row {cell // GRID[1] + 1}, column {cell % GRID[1] + 1}"
            assert float(weight) == pytest.approx(cells[t, cell], abs=0.0025)
        label = shown.locator(".stack").get_attribute("aria-label")
        best = int(cells[t].argmax())
        assert label.startswith(f"The Sender attends most to row {best // GRID[1] + 1}, column {best % GRID[1] + 1}: ")
        reads = shown.locator(".read").all()
        for read, column in zip(reads, (recorded.target(key), recorded.named(key)), strict=True):
            items = read.locator("li").all()
            assert [item.locator("bdi").text_content() for item in items] == WORDS[column]
            for place, item in enumerate(items):
                assert float(item.locator("small").inner_text()) == pytest.approx(words[t, column, place], abs=0.0075)


def test_attention_cells_cover_the_cropped_image(show, recorded):
    page = show(f"#run=fixed&view=dialogue&key={recorded.keys[0]}").page
    until(page, "() => document.querySelector('.cells').style.inset !== ''")
    shot, cells = (page.locator(f".stack {inside}").first.bounding_box() for inside in ("img", ".cells"))
    # A picture of 3 to 2, of whose shorter side the middle 80 in 100 were seen.
    side = 0.8 * shot["height"]
    for start, size in (("x", "width"), ("y", "height")):
        assert cells[size] == pytest.approx(side, abs=1)
        assert cells[start] + cells[size] / 2 == pytest.approx(shot[start] + shot[size] / 2, abs=1)


def test_continuous_messages_are_numbers(show, made):
    recorded = Recorded(made.file("numbers", 0))
    key = recorded.keys[3]
    page = show(f"#run=numbers&view=dialogue&key={key}").page
    sent = recorded.said[key, "S", 0]["BinaryVec"]
    shown = page.locator(".message.sender").first.locator(".number").all_inner_texts()
    assert [float(text.replace("−", "-")) for text in shown] == pytest.approx(sent.tolist(), abs=0.0052)
    assert page.locator(".nearest small").first.inner_text().startswith("distance ")
    assert "numbers, not bits" in show("#run=numbers&view=bits").page.locator("main").inner_text()


def test_a_failed_seed_is_reported_and_the_others_are_shown(show):
    page = show("#run=fixed&seed=2").page
    told = page.locator("main").text_content()
    assert "Seed 2 of run fixed failed in training and has no messages." in told
    assert WHY in told
    assert page.locator("#seed option").all_text_contents() == ["0", "1", "2 (failed)"]
    page.select_option("#seed", "1")
    page.wait_for_selector("#main .cards a")


def test_unseen_classes_are_as_recorded(show, made):
    recorded = Recorded(made.file("adaptive", 0, "ood"))
    page = show().page
    page.select_option("#part", "ood")
    until(page, f"() => document.querySelectorAll('#main .cards a').length === {len(recorded.keys)}")
    assert keys_shown(page) == recorded.keys
    assert set(page.locator("#main .cards b").all_text_contents()) == set(UNSEEN)
    assert page.locator("#class option").all_text_contents() == ["all", *UNSEEN]


def test_names_from_outside_are_text(show, made, recorded):
    page = show().page
    assert page.locator("h1").inner_text() == "made & <up>"
    assert set(page.locator("#main .cards b").all_text_contents()) == set(HOSTILE)
    assert page.locator("#main .cards script").count() == 0
    key = next(key for key in recorded.keys if recorded.target(key) == 0)
    page = show(f"#view=dialogue&key={key}").page
    assert "a <b>beast</b> of 0" in page.locator(".description").first.inner_text()
    assert all(page.locator("main h2 bdi").all_text_contents())
    page = show("#view=dialogue&key=%3Cimg%20src=x%20onerror=alert(1)%3E&run=%3Cb%3E").page
    assert page.locator("main img").count() == 0


def test_an_image_without_a_picture_has_a_placeholder(show, recorded):
    key = recorded.keys[-1]
    page = show(f"#view=dialogue&key={key}").page
    place = page.locator(".about .no-picture")
    assert place.get_attribute("aria-label") == "Image of plain (no picture)"
    assert place.inner_text() == "p"
    page = show(f"#view=dialogue&key={recorded.keys[0]}").page
    picture = page.locator(".about img")
    assert picture.get_attribute("alt") == f"Image of {HOSTILE[0]}"
    assert picture.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [96, 64]


def test_a_link_leads_to_the_view_and_back_leads_back(show, recorded):
    page = show("#answer=right").page
    first = next(key for key in recorded.keys if recorded.right(key))
    page.locator("#main .cards a").first.click()
    page.wait_for_selector(".exchange")
    assert f"key={first}" in page.url
    assert "answer=right" in page.url
    again = show("#" + page.url.partition("#")[2]).page
    assert again.locator("h2").inner_text() == page.locator("h2").inner_text()
    assert again.title() == page.title()
    page.go_back()
    page.wait_for_selector("#main .cards a")
    until(page, "() => document.querySelectorAll('#main .exchange').length === 0")
    assert page.input_value("#answer") == "right"
    until(page, f"() => document.activeElement.dataset.key === '{first}'")


def test_arrows_move_between_conversations_and_escape_leads_back(show, recorded):
    page = show(f"#view=dialogue&key={recorded.keys[1]}").page
    for press, key in (("ArrowRight", 2), ("ArrowRight", 3), ("ArrowLeft", 2)):
        page.keyboard.press(press)
        until(page, f"() => document.querySelector('.about code')?.textContent === '{recorded.keys[key]}'")
    page.keyboard.press("Escape")
    until(page, f"() => document.activeElement.dataset.key === '{recorded.keys[2]}'")
    page.keyboard.press("ArrowRight")
    until(page, f"() => document.activeElement.dataset.key === '{recorded.keys[3]}'")
    page.keyboard.press("Enter")
    until(page, f"() => document.querySelector('.about code')?.textContent === '{recorded.keys[3]}'")
    assert page.evaluate("document.activeElement.tagName") == "H2"
    page.keyboard.press("/")
    until(page, "() => document.activeElement.id === 'search'")


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_fits_a_narrow_screen(show, recorded, view):
    opened = show(VIEWS[view].format(key=recorded.keys[1]), width=360, height=740)
    assert opened.overflow_px() <= 0
    boxes = opened.page.locator(".scroll").evaluate_all(
        "all => all.map((one) => [one.scrollWidth > one.clientWidth + 1, getComputedStyle(one, '::before').content])"
    )
    assert len(boxes) == (view in ("bits", "bit"))
    assert all(cut == ("Scroll" in told) for cut, told in boxes)
    assert view != "bit" or boxes[0][0], "six columns are wider than a phone"


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_axe_finds_nothing_grave_in_any_view(show, recorded, view, scheme):
    opened = show(VIEWS[view].format(key=quickly_stopped(recorded)), scheme=scheme)
    assert opened.violations() == []


def test_the_focus_is_seen_and_the_page_has_its_landmarks(show):
    page = show().page
    for role in ("banner", "main", "contentinfo", "search"):
        assert page.get_by_role(role).count() == 1, role
    assert page.get_by_role("navigation", name="Views").count() == 1
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Tab")
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
