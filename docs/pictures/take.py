"""Pictures of a report for the documentation: python docs/pictures/take.py OUT. Needs chromium and chromium-driver.

OUT is the evaluation of docs/tutorial.md; its report is opened from disk.
"""

import argparse
import io
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from PIL import Image
from selenium import webdriver
from selenium.webdriver.chrome.service import Service

HERE = Path(__file__).parent
WIDTH, HEIGHT = 1200, 860
SETTLED_S = 4.0
"""The viewer draws after its volumes are read."""
FROM = {"report": "body", "pair": "section.pictures"}
"""Picture -> what stands at its upper edge."""
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--no-first-run",
    "--disable-dev-shm-usage", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader",
    "--hide-scrollbars", "--force-color-profile=srgb",
)  # fmt: skip


def main() -> None:
    """Take every picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="folder of an evaluation with its report")
    report = parser.parse_args().out.resolve() / "report"
    pages = {"report": report / "index.html", "pair": sorted(report.glob("pairs/**/*.html"))[0]}
    with tempfile.TemporaryDirectory(prefix="lumirage-pictures-") as profile:
        browser = _browser(Path(profile))
        try:
            for name, page in pages.items():
                _take(browser, page, FROM[name], HERE / f"{name}.webp")
        finally:
            browser.quit()


def _browser(profile: Path) -> Any:  # selenium gives untyped objects
    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    browser = webdriver.Chrome(options=options, service=Service(shutil.which("chromedriver")))
    size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    return browser


def _take(browser: Any, page: Path, first: str, to: Path) -> None:
    browser.get(page.as_uri())
    browser.execute_script("document.querySelector(arguments[0]).scrollIntoView()", first)
    time.sleep(SETTLED_S)
    Image.open(io.BytesIO(browser.get_screenshot_as_png())).convert("RGB").save(to, quality=70, method=6)
    print(f"{to.relative_to(HERE.parent)}: {to.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main()
