"""The report in real Chromium, opened from disk: no request, no error, points, search, themes, a phone, the viewer.

Needs Debian's chromium and chromium-driver, and selenium. Without them the tests are skipped, and fail where
LUMIRAGE_REQUIRE_BROWSER=1. LUMIRAGE_REPORT_OUT names a finished evaluation to look at besides the synthetic one.
"""

import base64
import io
import itertools
import json
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.image import imread
from tests.e2e.conftest import Command
from tests.unit.flow.made_up_desk import make_desk, values_of_teams
from tests.unit.flow.test_study_results import layout as study_layout  # noqa: F401 -- a fixture

from lumirage.core.layout import Layout
from lumirage.core.screen import Silent
from lumirage.core.study_layout import StudyLayout
from lumirage.flow.challenge.desk import open_desk
from lumirage.flow.challenge.publish import prepare_site, write_site
from lumirage.flow.challenge.ranked_desk import rank_desk
from lumirage.flow.study.study_report import report_study
from lumirage.reporting.report_folder import ReportOptions, write_report

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "reporting"))
from synthetic_out import make_out, write_analysis

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run", "--disable-dev-shm-usage", "--use-gl=angle", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader", "--window-size=1200,900",
)  # fmt: skip
BROKEN_LINES = """[...document.querySelectorAll('td.lane-cell .zero')].filter((line) => {
  const drawn = line.getBoundingClientRect(), cell = line.closest('td').getBoundingClientRect();
  return drawn.top > cell.top || drawn.bottom < cell.bottom;
}).map((line) => line.closest('tr').textContent)"""
"""Lines of 0 that are shorter than their row."""
LOCAL = ("file:", "data:", "blob:", "about:")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    browser, engine = shutil.which("chromium"), shutil.which("chromedriver")
    selenium = pytest.importorskip("selenium") if not required() else __import__("selenium")
    if not (browser and engine and selenium):
        if required():
            pytest.fail("chromium and chromium-driver are not installed, and LUMIRAGE_REQUIRE_BROWSER=1")
        pytest.skip("chromium and chromium-driver are not installed")
    from selenium import webdriver
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = browser
    for flag in FLAGS:
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(engine))
    driver.set_script_timeout(180)
    yield driver
    driver.quit()


def required() -> bool:
    return os.environ.get("LUMIRAGE_REQUIRE_BROWSER") == "1"


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Path:
    layout = make_out(tmp_path_factory.mktemp("a report's 'folder' & more"))
    write_analysis(layout)
    return write_report(layout, ReportOptions(one_file=True)).parent


@pytest.fixture
def page(chromium: Any, report: Path) -> Iterator[Any]:
    """The overview at 1200 pixels, light; afterwards nothing may have been requested or complained about."""
    show(chromium, report / "index.html")
    yield chromium
    assert_quiet(chromium)


def show(driver: Any, path: Path, *, width: int = 1200, dark: bool = False) -> None:
    driver.get_log("browser")
    driver.get_log("performance")
    metrics = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
    driver.get(path.as_uri())
    driver.execute_script("localStorage.clear()")
    driver.get(path.as_uri())


def assert_quiet(driver: Any) -> None:
    complaints = [entry for entry in driver.get_log("browser") if entry["level"] in {"SEVERE", "WARNING"}]
    # NiiVue's shaders make software GL warn; that is the renderer's own remark, not the page's.
    complaints = [entry for entry in complaints if "GL Driver Message" not in entry["message"]]
    assert complaints == []
    events = [json.loads(entry["message"])["message"] for entry in driver.get_log("performance")]
    urls = [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]
    assert urls
    assert [url for url in urls if not url.startswith(LOCAL)] == []


def wait(driver: Any, script: str) -> Any:
    from selenium.webdriver.support.ui import WebDriverWait

    return WebDriverWait(driver, 60).until(lambda d: d.execute_script(f"return {script}"))


def test_opens_from_disk_ready_within_two_seconds(page: Any) -> None:
    assert page.title == "synthetic on Synthetic balls"
    assert 0 < int(wait(page, "document.documentElement.dataset.ready")) < 2000


def test_hostile_log_is_text(page: Any) -> None:
    assert "owned" not in page.title
    assert "document.title='owned'" in page.execute_script("return document.querySelector('#failures').textContent")
    assert page.execute_script("return document.querySelectorAll('img').length") == 0


def test_click_on_a_point_opens_its_pair(page: Any) -> None:
    from selenium.webdriver.common.action_chains import ActionChains

    place = """
      const svg = document.querySelector('#pairs figure:not([hidden]) .wide svg');
      svg.scrollIntoView({block: 'center', behavior: 'instant'});
      const row = svg.drawn[2], m = svg.getScreenCTM();
      const pages = JSON.parse(document.querySelector('#data').textContent);
      const p = row.points.find((q) => pages.pages[pages.pairs[q[2]][0]]);
      const at = new DOMPoint(p[0], p[1]).matrixTransform(m);
      const best = svg.drawn.flatMap((r) => r.points).length;
      return [at.x, at.y, pages.pairs[p[2]][0], best];
    """
    x, y, pair, count = page.execute_script(place)
    assert count == 5 * 20 - 8
    actions = ActionChains(page)
    actions.w3c_actions.pointer_action.move_to_location(round(x), round(y))
    actions.w3c_actions.pointer_action.click()
    actions.perform()
    wait(page, "document.querySelector('[data-pair-page]') !== null")
    opened = page.execute_script("return document.querySelector('[data-pair-page]').dataset.pairPage")
    # Points may lie on one another: what counts is that a pair with pictures was opened.
    assert opened.startswith("sub100")
    assert pair.startswith("sub100")
    assert page.execute_script("return document.querySelectorAll('svg.panel').length") >= 6


def test_keyboard_walks_points_and_opens(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    svg = page.execute_script("return document.querySelector('#pairs figure:not([hidden]) .wide svg')")
    page.execute_script("arguments[0].focus()", svg)
    svg.send_keys(Keys.ARROW_DOWN)
    svg.send_keys(Keys.ARROW_RIGHT)
    assert "sub-" in page.execute_script("return document.querySelector('.tip').textContent")
    svg.send_keys(Keys.ENTER)
    opened = "document.querySelector('[data-pair-page]') !== null || !document.querySelector('#card').hidden"
    assert wait(page, opened)


def test_pair_without_a_page_shows_its_numbers_and_closes(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    assert page.execute_script("return document.querySelector('#card').hidden")
    svg = page.execute_script(
        "const data = JSON.parse(document.querySelector('#data').textContent);"
        "const svg = document.querySelector('#pairs figure:not([hidden]) .wide svg');"
        "const index = svg.drawn[0].points.findIndex((p) => !data.pages[data.pairs[p[2]][0]]);"
        "svg.keyAt = {row: 0, index, point: svg.drawn[0].points[index]}; svg.focus(); return svg"
    )
    svg.send_keys(Keys.ENTER)
    assert wait(page, "!document.querySelector('#card').hidden")
    assert "alpha" in page.execute_script("return document.querySelector('#card table').textContent")
    page.switch_to.active_element.send_keys(Keys.ESCAPE)
    assert wait(page, "document.querySelector('#card').hidden")


def test_search_highlights_a_subject_everywhere(page: Any) -> None:
    page.find_element("id", "find").send_keys("1002")
    wait(page, "document.body.classList.contains('searching')")
    assert page.execute_script("return document.querySelector('#found').textContent") == "8 of 20 pairs are with “1002”"
    dots = page.execute_script(
        "return [...document.querySelectorAll('#pairs figure:not([hidden]) .wide .found-points')]"
        ".map((p) => p.getAttribute('d').split('M').length - 1)"
    )
    pairs = list(itertools.permutations(range(1000, 1005), 2))
    answered = sum(1002 in pair and k % 3 != 1 for k, pair in enumerate(pairs))
    assert dots == [8, 8, 8, answered, 8]
    assert page.execute_script("return document.querySelectorAll('#cost .wide .hit').length") > 0
    assert page.execute_script("return document.querySelectorAll('#failures .wide .hit').length") > 0


def test_another_measure_is_drawn_when_it_is_picked(page: Any) -> None:
    page.execute_script(
        "const s = document.querySelector('[data-picks=pairs]'); s.selectedIndex = 1;"
        "s.dispatchEvent(new Event('change'))"
    )
    drawn = "document.querySelector('#pairs figure:not([hidden]) .wide path[data-strip]').getAttribute('d').length"
    assert wait(page, drawn) > 50


def test_explorer_answers_a_reader(page: Any) -> None:
    """Sort, filter, another reference, A against B with a brush that marks pairs elsewhere, who differs, structures."""
    from selenium.webdriver.common.action_chains import ActionChains

    def js(script: str) -> Any:
        return page.execute_script(f"return {script}")

    def pick(field: str, text: str) -> None:
        page.execute_script(
            "const s = document.querySelector(arguments[0]);"
            "s.selectedIndex = [...s.options].findIndex((o) => o.text === arguments[1]);"
            "s.dispatchEvent(new Event('change'))",
            field,
            text,
        )

    wait(page, "document.documentElement.dataset.explored")
    cells = (
        "[...document.querySelectorAll('#board tbody tr')].map((r) => parseFloat(r.querySelector('td b').textContent))"
    )
    head = "[...document.querySelectorAll('#board thead th')].find((h) => h.textContent.includes('Dice'))"
    page.execute_script(f"{head}.querySelector('button').click()")
    assert js(cells) == sorted(js(cells), reverse=True)
    page.execute_script(f"{head}.querySelector('button').click()")
    assert js(cells) == sorted(js(cells))
    assert js(f"{head}.getAttribute('aria-sort')") == "ascending"
    page.find_element("css selector", "#board .filter input").send_keys("alpha")
    assert js("[...document.querySelectorAll('#board tbody tr:not([hidden])')].length") == 1

    words = "document.querySelector('[data-told=\"alpha\"]').textContent"
    to_affine = js(words)
    pick("#base", "beta")
    assert js(words) != to_affine
    assert js("document.querySelector('[data-told=\"beta\"]').textContent") == "the reference"
    pick("#base", "affine")
    assert js(words) == to_affine

    pick("#ex-a", "alpha")
    pick("#ex-b", "affine")
    assert js("document.querySelectorAll('#ex-plot .pair-dot').length") == 20
    assert "alpha is better on 20" in js("document.querySelector('#ex-words').textContent")
    plot = page.find_element("css selector", "#ex-plot .brush .overlay")
    page.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", plot)
    reach = plot.rect
    ActionChains(page).move_to_element_with_offset(
        plot, -round(reach["width"] / 2) + 4, -round(reach["height"] / 2) + 4
    ).click_and_hold().move_by_offset(round(reach["width"] * 0.7), round(reach["height"] * 0.7)).release().perform()
    inside = js("document.querySelectorAll('#ex-plot .pair-dot:not(.out)').length")
    assert inside > 0
    assert js("document.querySelector('#found').textContent") == f"{inside} of 20 pairs are in the brush"
    assert js("document.querySelectorAll('#pairs figure:not([hidden]) .wide .found-points').length") == 5

    told = js("[...document.querySelectorAll('#ex-matrix tbody tr')].find((r) => r.textContent.startsWith('alpha'))"
              ".querySelector('.sure-better').title")  # fmt: skip
    assert told.startswith("alpha minus ")
    assert "20 pairs, 5 subjects" in told
    assert js("[...document.querySelectorAll('#st-table tbody th')].map((c) => c.textContent).sort()") == [
        "cortex", "thalamus", "ventricle",
    ]  # fmt: skip
    assert "[" in js("document.querySelector('#st-table tbody td small').textContent")  # with its interval
    assert js("document.querySelectorAll('#st-table .st-ci').length") == 3


def test_brush_by_keyboard(page: Any) -> None:
    from selenium.webdriver.common.keys import Keys

    wait(page, "document.documentElement.dataset.explored")
    plot = page.find_element("css selector", "#ex-plot > svg")
    page.execute_script("arguments[0].focus()", plot)

    def box() -> list[float]:
        read = "const b = document.querySelector('#ex-plot .selection').getBBox(); return [b.x, b.y, b.width, b.height]"
        return list(page.execute_script(read))

    plot.send_keys(Keys.ENTER)
    x, y, width, height = box()
    plot.send_keys(Keys.ARROW_LEFT, Keys.ARROW_UP)
    assert box() == [x - 12, y - 12, width, height]
    plot.send_keys(Keys.SHIFT, Keys.ARROW_RIGHT)
    assert box() == [x - 12, y - 12, width + 12, height]
    inside = page.execute_script("return document.querySelectorAll('#ex-plot .pair-dot:not(.out)').length")
    assert page.execute_script("return document.querySelector('#found').textContent").startswith(
        f"{inside} of 20 pairs"
    )
    plot.send_keys(Keys.ESCAPE)
    assert page.execute_script("return document.querySelector('#found').textContent") == ""


def test_mosaic_loads_its_list_and_pictures_when_it_is_opened(page: Any) -> None:
    wait(page, "document.documentElement.dataset.explored")
    assert page.execute_script("return window.LUMIRAGE_MOSAIC === undefined && !document.querySelector('#mosaic img')")
    page.execute_script("const m = document.querySelector('#mosaic'); m.open = true; m.scrollIntoView()")
    assert wait(page, "document.querySelectorAll('#mo-tiles img').length") == 20
    assert wait(page, "document.querySelector('#mo-tiles img').naturalWidth") > 90
    assert page.execute_script("return document.querySelector('#mo-words').textContent").startswith("20 of 20 pairs")


def test_two_pictures_over_one_another(chromium: Any, report: Path) -> None:
    show(chromium, sorted((report / "pairs").glob("sub1003T1w-sub1002T1w.html"))[0])
    wait(chromium, "!document.querySelector('.compare').hidden")
    chromium.execute_script(
        "const s = document.querySelector('.compare-swipe'); s.value = 30; s.dispatchEvent(new Event('input'))"
    )
    clip = "document.querySelector('.stage .over svg').style.clipPath"
    assert "30%" in chromium.execute_script(f"return {clip}")
    chromium.execute_script("document.querySelector('.compare-flicker').click()")
    assert wait(chromium, "document.querySelector('.stage .over').style.visibility === 'hidden'")
    chromium.execute_script("document.querySelector('.compare-flicker').click()")
    chromium.execute_script(
        "const s = document.querySelector('.compare-structure'); s.value = '2'; s.dispatchEvent(new Event('change'))"
    )
    still = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", still)
    assert wait(chromium, "document.querySelector('.compare-flicker').textContent === 'Change'")
    shown = "document.querySelector('.stage .over').style.visibility"
    for expected in ("hidden", ""):
        chromium.execute_script("document.querySelector('.compare-flicker').click()")
        assert chromium.execute_script(f"return {shown}") == expected
    assert chromium.execute_script("return document.querySelectorAll('.stage .over .landmark').length") == 9
    seen = (
        "[...new Set([...document.querySelectorAll('.contour')].filter((c) => getComputedStyle(c).display !== 'none')"
        ".map((c) => c.dataset.label))]"
    )
    assert chromium.execute_script(f"return {seen}") == ["2"]
    assert chromium.execute_script("return document.querySelectorAll('a[rel=prev], a[rel=next]').length") >= 1
    assert_quiet(chromium)


@pytest.fixture(scope="module")
def pages(report: Path, study_layout: StudyLayout, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:  # noqa: F811
    """One of every kind; the one-file page is made of the first two."""
    pairs, dice = values_of_teams()
    phases = [{"name": "test", "shows": "own_pairs"}]
    desk = make_desk(tmp_path_factory.mktemp("desk") / "d", dice, pairs, phases=phases)
    site = write_site(prepare_site(rank_desk(open_desk(desk.layout.root))), tmp_path_factory.mktemp("site")).root
    report_study(study_layout, Silent())
    pair = sorted((report / "pairs").glob("sub1003T1w-sub1002T1w.html"))[0]
    challenge = [site / "public" / "index.html", site / "teams" / "leaver" / "index.html"]
    return [report / "index.html", pair, study_layout.page, *challenge]


def test_axe_finds_no_violation(chromium: Any, pages: list[Path]) -> None:
    import axe_core_python

    axe = (Path(axe_core_python.__file__).parent / "axe.min.js").read_text(encoding="utf-8")
    for path, dark in itertools.product(pages, (False, True)):
        show(chromium, path, dark=dark)
        only = ", runOnly: ['color-contrast']" if dark else ""  # nothing else depends on the theme
        chromium.execute_script(axe)
        found = chromium.execute_async_script(
            f"axe.run(document, {{resultTypes: ['violations'], preload: false{only}}})"
            ".then((r) => arguments[0](r.violations.map("
            "(v) => v.id + ': ' + v.nodes.slice(0, 3).map((n) => n.html.slice(0, 160)).join(' | '))))"
        )
        assert found == [], (path.name, dark)
        assert_quiet(chromium)


def test_print_loses_no_column(chromium: Any, report: Path) -> None:
    """Laid out on paper, nothing is wider than the page."""
    show(chromium, report / "index.html", width=700)
    wait(chromium, "document.documentElement.dataset.explored")
    on_paper = chromium.execute_script("return getComputedStyle(document.body).color")
    chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        chromium.execute_script("document.documentElement.dataset.theme = 'dark'")
        assert chromium.execute_script("return getComputedStyle(document.body).color") == on_paper
        chromium.execute_script("dispatchEvent(new Event('beforeprint'))")
        assert chromium.execute_script("return document.querySelectorAll('details:not([open])').length") <= 1
        wide = chromium.execute_script(
            "return [...document.querySelectorAll('table')].filter((t) => t.offsetWidth && "
            "t.getBoundingClientRect().right > innerWidth + 1).map((t) => t.id || t.textContent.slice(0, 60))"
        )
        chromium.execute_script("dispatchEvent(new Event('afterprint'))")
        assert not chromium.execute_script("return document.querySelector('details.numbers').open")
    finally:
        chromium.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert wide == []


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1200, 400])
def test_themes_and_widths(chromium: Any, report: Path, dark: bool, width: int) -> None:
    for path in (report / "index.html", sorted((report / "pairs").glob("*.html"))[0]):
        show(chromium, path, width=width, dark=dark)
        color = chromium.execute_script("return getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, color[4:-1].split(","))) < 200) == dark
        assert chromium.execute_script("return document.documentElement.scrollWidth") <= width
        assert chromium.execute_script(f"return {BROKEN_LINES}") == []
        assert_quiet(chromium)


def test_theme_button_overrides_the_system(page: Any) -> None:
    before = page.execute_script("return getComputedStyle(document.body).backgroundColor")
    page.find_element("css selector", "button.theme").click()
    assert page.execute_script("return getComputedStyle(document.body).backgroundColor") != before


def test_figures_and_controls_have_names(page: Any) -> None:
    unnamed = page.execute_script(
        "return [...document.querySelectorAll('svg[role=img]')].filter((s) => !s.getAttribute('aria-label') && "
        "!(s.querySelector('title') && s.querySelector('title').textContent)).length"
    )
    assert unnamed == 0
    nameless = page.execute_script(
        "return [...document.querySelectorAll('button, input, select')].filter((c) => !(c.ariaLabel || "
        "c.textContent.trim() || (c.labels && c.labels.length))).length"
    )
    assert nameless == 0


def _viewer_shows(driver: Any, within: str) -> None:
    start = f"{within} .volume-start"
    driver.execute_script(f"document.querySelector('{start}').scrollIntoView({{behavior: 'instant'}})")
    driver.find_element("css selector", start).click()
    loaded = wait(driver, f"document.querySelector('{within} section.volumes').dataset.loaded")
    assert loaded.startswith("moved by")
    assert driver.execute_script("return LUMIRAGE_VIEWER.volumes.length") == 2
    driver.execute_script("LUMIRAGE_VIEWER.drawScene()")
    shot = driver.find_element("css selector", f"{within} .viewer").screenshot_as_png
    picture = imread(io.BytesIO(shot), format="png")[..., :3]
    assert (picture > 0.2).any(axis=-1).mean() > 0.05
    assert np.ptp(picture) > 0.5


def test_viewer_shows_the_volumes(chromium: Any, report: Path) -> None:
    show(chromium, sorted((report / "pairs").glob("sub1003T1w-sub1002T1w.html"))[0])
    _viewer_shows(chromium, "main")
    points = "LUMIRAGE_VIEWER.meshes[0].nodes"
    assert chromium.execute_script(f"return {points}.length") == 6  # three landmarks, fixed and moved
    chromium.execute_script("document.querySelectorAll('tr[data-landmark]')[1].click()")
    at = chromium.execute_script("return [...LUMIRAGE_VIEWER.frac2mm(LUMIRAGE_VIEWER.scene.crosshairPos)].slice(0, 3)")
    fixed = chromium.execute_script(f"return {points}.map((n) => [n.x, n.y, n.z])")
    assert min(np.abs(np.subtract(fixed[0::2], at)).max(axis=1)) < 2.5  # a voxel of the viewer's volumes
    assert_quiet(chromium)


def test_one_file_holds_everything(chromium: Any, report: Path, tmp_path: Path) -> None:
    alone = tmp_path / "report.html"
    shutil.copyfile(report / "report.html", alone)
    show(chromium, alone)
    wait(chromium, "document.documentElement.dataset.ready")
    chromium.execute_script("location.hash = '#pair-sub1003T1w-sub1002T1w'")
    assert wait(chromium, "!document.getElementById('pair-sub1003T1w-sub1002T1w').hidden")
    assert chromium.execute_script("return document.getElementById('main').hidden")
    _viewer_shows(chromium, "#pair-sub1003T1w-sub1002T1w")
    assert_quiet(chromium)


@pytest.fixture
def evaluated(harness: Command, phantom: Path, tmp_path: Path) -> Path:
    """The report of the evaluation that LUMIRAGE_REPORT_OUT names, or of a small one made here."""
    named = os.environ.get("LUMIRAGE_REPORT_OUT")
    out = Path(named) if named else tmp_path / "out"
    if not named:
        words = ("evaluate", "-m", "oracle", "-m", "zero-displacement", "--runtime", "local", "--track", "phantom")
        done = harness(*words, phantom, out)
        assert done.returncode == 0, done.stdout + done.stderr
    return Layout(out).report / "index.html"


def test_report_of_a_real_evaluation(chromium: Any, evaluated: Path, tmp_path: Path) -> None:
    show(chromium, evaluated)
    assert wait(chromium, "document.querySelectorAll('#board tbody tr').length") >= 2
    shot = chromium.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
    (tmp_path / "overview.png").write_bytes(base64.b64decode(shot["data"]))
    assert_quiet(chromium)
    show(chromium, sorted((evaluated.parent / "pairs").glob("*.html"))[0])
    _viewer_shows(chromium, "main")
    assert_quiet(chromium)
