"""The page in headless Chromium: opens, filters, keys, escaping, contrast, speed. Skipped where there is no Chromium."""

import json

import pytest

from tests.report import chromium
from tests.report.page import SIZES, Reader, written

pytestmark = pytest.mark.skipif(chromium.find() is None, reason="no Chromium found: install chromium to run this test")


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    with chromium.Browser(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture
def opened(browser, page):
    browser.look()
    browser.open(page)
    return browser


def choose(browser, **fields) -> int:
    """Sets filters as a reader would and returns the number of cases that the page says it shows."""
    browser.run(f"""(() => {{ const form = document.getElementById("filters");
        for (const [name, value] of Object.entries({json.dumps(fields)})) {{
            form.elements[name].value = value;
            if (form.elements[name].value !== value) throw Error(name + " has no choice " + value);
        }}
        form.elements[{json.dumps(next(iter(fields)))}].dispatchEvent(new Event("input", {{bubbles: true}})); }})()""")
    words = browser.run("document.getElementById('status').textContent")
    return 0 if words.startswith("None") else int(words.split()[0])


def test_opens_with_no_problem_and_asks_for_nothing(opened):
    assert opened.problems == []
    assert all(url.startswith(("file:", "data:")) for url in opened.requests)
    assert sum(url.startswith("file:") for url in opened.requests) == 1
    assert opened.run("document.querySelectorAll('main > section').length") == 13
    assert opened.run("[...document.images].every(i => i.alt)")
    assert opened.run("[...document.querySelectorAll('select, input')].every(one => one.labels.length)")
    assert opened.run("document.querySelectorAll('#list [role=option]').length") == 50


def test_hostile_output_is_shown_and_never_run(opened):
    wanted = choose(opened, text="window.planted")
    assert wanted > 0
    for _ in range(wanted):  # every such case is drawn once
        opened.run("document.getElementById('list').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowDown'}))")
        assert "window.planted" in opened.run("document.getElementById('case').textContent")
    assert opened.run("window.planted") is None
    assert opened.run("document.querySelectorAll('script').length") == 2
    assert opened.run("document.querySelectorAll('#case :is(img, svg, script, i), .call b > *').length") == 0
    assert opened.problems == []
    opened.run("document.body.append(Object.assign(document.createElement('script'), {textContent: 'window.planted = 4'}))")
    assert opened.run("window.planted") is None, "the page's policy refuses a script that got in all the same"


def test_filters(opened, page):
    data = json.loads(Reader(page.read_text(encoding="utf-8")).scripts[0])
    cases, tuned, base = data["cases"], data["subjects"].index("tuned"), data["subjects"].index("base")

    def count(fits) -> int:
        return sum(map(fits, cases))

    def right(case: dict, subject: int) -> int:
        return case["subjects"][subject]["right"][data["verdicts"][case["suite"]]]

    assert data["verdicts"] == [0, 0, 0, 2, 0]
    assert choose(opened, suite="1") == count(lambda case: case["suite"] == 1)
    assert choose(opened, suite="", kind="parallel") == count(lambda case: case["kind"] == "parallel")
    assert choose(opened, kind="", subject=str(tuned), outcome="wrong_value") == count(lambda c: c["subjects"][tuned]["outcome"] == "wrong_value") > 0
    assert choose(opened, subject="", outcome="-") == count(lambda case: any(not right(case, subject) for subject in (0, 1, 2)))
    better = count(lambda case: right(case, tuned) > right(case, base))
    worse = count(lambda case: right(case, tuned) < right(case, base))
    assert better > worse > 0
    assert choose(opened, outcome="", compare=f"{tuned}+") == better
    assert choose(opened, compare=f"{tuned}-") == worse
    tool = next(case["gold"][0][0] for case in cases if "gold" in case)
    assert choose(opened, compare="", tool="=" + tool) == count(lambda case: any(call[0] == tool for call in case.get("gold", ())))
    assert choose(opened, tool="=none") == SIZES["no_tool"] + SIZES["structured"]
    assert 0 < choose(opened, tool="", text="KYOTO next") < len(cases)
    assert choose(opened, text="no such words anywhere") == 0
    assert opened.run("document.getElementById('case').textContent") == ""
    opened.run("document.querySelector('#filters button[type=reset]').click(); new Promise(done => setTimeout(done, 50))")
    assert opened.run("document.getElementById('status').textContent") == f"{len(cases)} of {len(cases)} cases"
    assert opened.problems == []


def test_keys(opened):
    opened.run("document.getElementById('list').focus()")
    title = "document.getElementById('case-title').textContent"
    shown = []
    for key in ("ArrowDown", "ArrowDown", "ArrowUp", "End", "Home", "PageDown"):
        opened.press(key)
        shown.append(opened.run(title))
    last, final = sum(SIZES.values()), f"structured-{SIZES['structured'] - 1:04d}"
    assert shown == ["held_out-0001", "held_out-0002", "held_out-0001", final, "held_out-0000", "held_out-0010"]
    assert opened.run("document.getElementById(document.activeElement.getAttribute('aria-activedescendant')).getAttribute('aria-selected')") == "true"
    assert opened.run("getComputedStyle(document.getElementById('list')).outlineStyle") == "solid"
    opened.press("End")
    assert opened.run("document.getElementById('page').textContent").endswith(f"to {last} of {last}")
    opened.press("Enter")
    assert opened.run("document.activeElement.id") == "case"
    opened.press("Tab")
    assert opened.run("document.activeElement.textContent") in ("← Previous", "Next →")
    assert opened.run("document.activeElement.matches(':focus-visible')")


def test_difference_to_gold_is_marked(opened):
    choose(opened, subject="0", outcome="wrong_value")
    marked = "[...document.querySelectorAll('.subjects > section:first-child .off')].map(one => one.textContent)"
    assert any("gold:" in line and "upon Tyne" in line for line in opened.run(marked))
    choose(opened, outcome="missing_argument")
    assert any(line.startswith("days:") and line.endswith("missing") for line in opened.run(marked))
    choose(opened, suite="1", outcome="call_where_none_was_right")
    assert "no call is right here" in opened.run("document.getElementById('case').textContent")
    opened.run("document.querySelectorAll('#case details').forEach(one => { one.open = true; }); new Promise(done => setTimeout(done, 50))")
    assert '"properties"' in opened.run("document.querySelector('#case details pre').textContent")


def test_a_structured_case_has_no_benchmark_verdict(opened):
    assert choose(opened, suite="4", subject="0", outcome="against_schema") > 0
    words = opened.run("document.querySelector('.subjects > section').textContent")
    assert "against schema" in words and "strict ✗ · schema ✗ · bfcl –" in words
    choose(opened, suite="", subject="", outcome="")


def test_a_benchmark_goes_by_its_own_verdict(opened):
    assert choose(opened, suite="3", subject="0", outcome="wrong_value") > 0
    words = opened.run("document.querySelector('.subjects > section').textContent")
    assert "✓ right by the benchmark" in words and "strict ✗" in words and "bfcl ✓" in words and "first accepted: " in words
    assert "All accepted values" in opened.run("document.getElementById('case').textContent")


# The lowest WCAG contrast of any text: its colour over all backgrounds below it, drawn on a canvas to have plain RGB.
CONTRAST = """(() => {
  const pen = Object.assign(document.createElement("canvas"), {width: 1, height: 1}).getContext("2d", {willReadFrequently: true});
  const drawn = (colours) => { pen.clearRect(0, 0, 1, 1); for (const c of colours) { pen.fillStyle = c; pen.fillRect(0, 0, 1, 1); }
    return pen.getImageData(0, 0, 1, 1).data; };
  const light = ([r, g, b]) => { const [R, G, B] = [r, g, b].map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * R + 0.7152 * G + 0.0722 * B; };
  const lowest = {ratio: 99, text: ""};
  document.querySelectorAll("details").forEach(one => { one.open = true; });
  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].filter(n => n.nodeType === 3 && n.data.trim()).map(n => n.data).join(" ");
    if (!own || !element.checkVisibility() || element.closest("noscript, :disabled")) continue;
    const below = [];
    for (let up = element; up; up = up.parentElement) below.unshift(getComputedStyle(up).backgroundColor);
    const paper = drawn(below), ink = drawn([...below, getComputedStyle(element).color]);
    const [a, b] = [light(paper), light(ink)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < lowest.ratio) Object.assign(lowest, {ratio, text: own.slice(0, 60)});
  }
  return lowest; })()"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_is_legible(opened, scheme):
    opened.look(scheme)
    choose(opened, subject="0", outcome="wrong_value")
    background = opened.run("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") is (scheme == "light")
    found = opened.run(CONTRAST)
    assert found["ratio"] >= 4.5, found


def test_narrow_screens_do_not_scroll_sideways(opened):
    opened.look(width=360, height=740)
    assert opened.run("document.documentElement.scrollWidth") <= 360


def test_2000_cases_answer_at_once(browser, tmp_path):
    page = written(tmp_path, {"held_out": 1000, "no_tool": 500, "multi_turn": 500})
    browser.look()
    browser.open(page)
    times = browser.run("""(() => { const form = document.getElementById("filters"), times = {};
        const timed = (name, value) => { form.elements[name].value = value; const start = performance.now();
            form.dispatchEvent(new Event("input", {bubbles: true})); document.body.offsetHeight;
            times[name + " " + value] = performance.now() - start; };
        for (const [name, value] of [["text", "k"], ["text", "kyoto"], ["text", ""], ["suite", "2"], ["outcome", "wrong_value"],
            ["suite", ""], ["compare", "2+"]]) timed(name, value);
        return times; })()""")
    assert max(times.values()) < 300, times
    assert browser.problems == []


def test_four_subjects_gate_seeds_and_cost(browser, tmp_path):
    from tests.report.test_page import ENDPOINTS, FOUR

    page = written(tmp_path, {"held_out": 40, "no_tool": 20}, FOUR, seeds=[1, 2], **ENDPOINTS)
    browser.look()
    browser.open(page)
    titles = browser.run("[...document.querySelectorAll('main > section > h2')].map(one => one.textContent)")
    assert {"Gate", "Seeds", "Cost"} < set(titles) and titles[1] == "Gate"
    assert browser.run("[...document.querySelectorAll('nav a')].every(one => document.querySelector(one.getAttribute('href')))")
    assert browser.run("document.querySelectorAll('.subjects > section').length") == 4
    assert choose(browser, compare="2+") > 0, "gpt better than base"
    assert browser.run("document.querySelectorAll('.card').length") == 4
    colours = browser.run("[...document.querySelectorAll('.card .swatch')].map(one => getComputedStyle(one).backgroundColor)")
    assert len(set(colours)) == 4
    assert browser.run("window.planted") is None and browser.problems == []
    assert browser.run(CONTRAST)["ratio"] >= 4.5
    browser.look(width=360, height=740)
    assert browser.run("document.documentElement.scrollWidth") <= 360


def test_the_mask_proof_shows_the_supervised_end(opened):
    """Also where the row is longer than its frame: the frame starts at its end."""
    found = opened.run("""(() => { const frame = document.querySelector('.proof'); frame.style.maxHeight = '3rem';
        const mark = frame.querySelector('mark').getBoundingClientRect(), box = frame.getBoundingClientRect();
        return [frame.scrollHeight > frame.clientHeight, mark.bottom <= box.bottom + 1 && mark.bottom > box.top]; })()""")
    assert found == [True, True]
