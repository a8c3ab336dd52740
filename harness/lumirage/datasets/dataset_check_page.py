"""Writes the page of `dataset check`: one HTML file that opens offline."""

from pathlib import Path

from jinja2 import Environment

from lumirage.core.layout import write_text
from lumirage.datasets.dataset_check import SEVERITIES, DatasetCheck

_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Check of {{ check.root }}</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 76rem; padding: 0 1rem; color: #1a1a1a }
table { border-collapse: collapse; width: 100% } td, th { padding: .3rem .6rem; border-bottom: 1px solid #ddd;
text-align: left; vertical-align: top } img { background: #000; display: block; max-width: none }
.error { color: #b00020; font-weight: 600 } .warning { color: #8a5a00; font-weight: 600 } .note { color: #555 }
.scroll { overflow-x: auto } code { font-size: .9em }
</style></head><body>
<h1>{{ check.root }}</h1>
<p>{{ check.scans | length }} images{% for severity in severities %},
<span class="{{ severity }}">{{ check.count(severity) }} {{ severity }}{{ "" if check.count(severity) == 1 else "s" }}</span>
{%- endfor %}.</p>
{% if check.findings %}<h2>Findings</h2><div class="scroll"><table>
<tr><th>severity</th><th>kind</th><th>file</th><th>finding</th></tr>
{% for f in check.findings %}<tr><td class="{{ f.severity }}">{{ f.severity }}</td><td>{{ f.kind }}</td>
<td><code>{{ f.path }}</code></td><td>{{ f.message }}</td></tr>
{% endfor %}</table></div>{% else %}<p>Nothing found.</p>{% endif %}
<h2>Images</h2><div class="scroll"><table>
<tr><th>slices with the first label map</th><th>scan</th><th>shape</th><th>spacing, mm</th><th>axes</th><th>unit</th>
<th>range</th><th>labels</th></tr>
{% for s in check.scans %}<tr>
<td>{% if s.thumbnail %}<img src="{{ s.thumbnail }}" alt="{{ s.name }}">{% else %}not readable{% endif %}</td>
<td>{{ s.name }}</td><td>{{ s.shape | join(" x ") if s.shape else "" }}</td>
<td>{% for v in s.spacing_mm or () %}{{ "%.4g" | format(v) }}{{ "" if loop.last else " x " }}{% endfor %}</td>
<td>{{ s.orientation }}</td><td>{{ s.unit }}</td>
<td>{% if s.lowest is not none %}{{ "%.4g" | format(s.lowest) }} to {{ "%.4g" | format(s.highest) }}{% endif %}</td>
<td>{% for source, labels in s.labels.items() %}{{ source }}: {{ labels | length }}<br>{% else %}none{% endfor %}</td></tr>
{% endfor %}</table></div></body></html>
"""


def check_page(check: DatasetCheck) -> str:
    """The page as text."""
    page = Environment(autoescape=True).from_string(_PAGE)
    return page.render(check=check, severities=SEVERITIES)


def write_check_page(check: DatasetCheck, path: Path) -> None:
    """Write the page; its thumbnails are inside."""
    write_text(path, check_page(check))
