"""Renders the HTML templates, with autoescape, because logs and names come from unknown sources."""

import functools
import json
import math
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from lumirage.core.condition_words import condition_words
from lumirage.core.failure_policy import COUNTED_AS
from lumirage.core.precision import rounded
from lumirage.reporting.axes import MINUS, gigabytes, seconds, short
from lumirage.reporting.method_looks import OUTLINES, Outline
from lumirage.reporting.pair_page import PairPage
from lumirage.reporting.report_tables import cell
from lumirage.reporting.scene import DARK, LIGHT

HERE = Path(__file__).parent
STATIC = HERE / "static"
D3 = STATIC / "d3"
ASSETS = (
    *(STATIC / name for name in ("style.css", "report.js", "tables.js", "explorer.js", "pictures.js", "viewer.js")),
    D3 / "d3.min.js",
    D3 / "LICENSE.d3.txt",
)
VIEWER = HERE / "viewer" / "niivue.umd.js"


def breakable(name: str) -> Markup:
    """A name that can be wrapped after its underscores."""
    return Markup("<wbr>").join(part if not k else f"_{part}" for k, part in enumerate(name.split("_")))


def moment(iso: str) -> str:
    """A UTC time stamp as text, to the minute."""
    return iso[:16].replace("T", " ") + " UTC"


def sentence(text: str) -> str:
    """A text with a capital at the start and a full stop at the end."""
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "!", "?")) else ".")


def digits(value: float, half: float | None) -> str:
    """A number with the digits that half of its interval allows; four where it has no interval."""
    if not math.isfinite(value) or not half or not math.isfinite(half):
        return short(value, 4)
    return rounded(value, half, 2).replace("-", MINUS)


@functools.cache
def environment() -> Environment:
    """Templates with autoescape; an unknown name is an error."""
    made = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "short": short,
        "digits": digits,
        "seconds": seconds,
        "gigabytes": gigabytes,
        "json": as_json,
        "volumes": volumes_script,
        "breakable": breakable,
        "moment": moment,
        "sentence": sentence,
        "condition": condition_words,
    }
    made.globals |= {"theme": theme(), "cell": cell, "counted_as": COUNTED_AS}
    return made


def as_json(value: Any) -> Markup:  # whatever json takes
    """JSON that is safe in a script element: no `<`, no `&`, no line separators of JavaScript."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False, ensure_ascii=True)
    return Markup(text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"))


def theme() -> Markup:
    """Both palettes as CSS variables, chosen by the system's preference or by the reader, light on paper; and the markers."""
    light, dark = ("".join(f"--{role}:{color};" for role, color in palette.items()) for palette in (LIGHT, DARK))
    return Markup(
        f":root{{{light}color-scheme:light}}"
        f"@media screen and (prefers-color-scheme:dark){{:root:not([data-theme=light]){{{dark}color-scheme:dark}}}}"
        f"@media screen{{:root[data-theme=dark]{{{dark}color-scheme:dark}}}}"
        + "".join(
            f".mk-{marker}::before{{clip-path:polygon({_polygon(corners)})}}" for marker, corners in OUTLINES.items()
        )
    )


def _polygon(corners: Outline) -> str:
    return ",".join(f"{50 + 50 * x:.0f}% {50 + 50 * y:.0f}%" for x, y in corners)


def render(template: str, **context: Any) -> str:  # templates take anything
    """A template as text."""
    return environment().get_template(template).render(**context)


def render_pair(page: PairPage, around: tuple[str, str] = ("", "")) -> str:
    """A separate page for a pair; `around` names the pages before and after it, empty where there is none."""
    return render("pair.html.j2", page=page, around=around, assets="../assets/", inline=None)


def volumes_script(page: PairPage) -> Markup:
    """The script with a page's volumes."""
    name = as_json(page.choice.name)
    return Markup("(window.LUMIRAGE_PAGES = window.LUMIRAGE_PAGES || {{}})[{}] = {};\n").format(
        name, Markup(page.volumes)
    )


def inlined() -> dict[str, Markup]:
    """The style and the scripts as text, for the report in one file."""
    sources = {path.name: path.read_text(encoding="utf-8") for path in (*ASSETS, VIEWER) if path.suffix != ".txt"}
    return {name: Markup(text.replace("</script", "<\\/script")) for name, text in sources.items()}
