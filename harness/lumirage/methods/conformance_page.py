"""Writes the findings of `methods check` as text and as one HTML page."""

from html import escape
from pathlib import Path

from lumirage.core.layout import write_text
from lumirage.methods.conformance import ConformanceReport, Finding

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 52rem; margin: 2rem auto; padding: 0 1rem; color: #1b1b1b; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: .5rem .75rem; border-bottom: 1px solid #d8d8d8; }
.passed { color: #1a6b35; } .failed { color: #a31621; font-weight: 600; } .open { color: #6b6b6b; }
pre { background: #f4f4f2; padding: 1rem; overflow-x: auto; }
@media (prefers-color-scheme: dark) {
  body { background: #161616; color: #e8e8e8; } td, th { border-color: #3a3a3a; } pre { background: #222; }
  .passed { color: #6fcf8f; } .failed { color: #ff8a8a; } .open { color: #a8a8a8; }
}
"""


def verdict(finding: Finding) -> str:
    """One word for a finding."""
    return {True: "passed", False: "failed", None: "open"}[finding.passed]


def as_text(checkup: ConformanceReport) -> str:
    """One line for each finding, and the end of the log if something failed."""
    lines = [f"{verdict(finding):7} {finding.name:11} {finding.message}" for finding in checkup.findings]
    log = ["", "the end of its log:", checkup.log] if checkup.log else []
    return "\n".join([*lines, *log])


def as_page(checkup: ConformanceReport) -> str:
    """One self-contained HTML page."""
    card, word = checkup.card, "keeps" if checkup.passed else "does not keep"
    rows = "\n".join(
        f'<tr><td class="{verdict(finding)}">{verdict(finding)}</td><td>{escape(finding.name)}</td>'
        f"<td>{escape(finding.message)}</td></tr>"
        for finding in checkup.findings
    )
    log = f"<h2>The end of its log</h2><pre>{escape(checkup.log)}</pre>" if checkup.log else ""
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Check of {escape(card.name)}</title><style>{STYLE}</style></head>
<body><h1>{escape(card.name)} {escape(card.version)} {word} the contract</h1>
<p>{escape(card.summary)}</p>
<table><thead><tr><th>Verdict</th><th>What</th><th>Found</th></tr></thead><tbody>
{rows}
</tbody></table>{log}</body></html>
"""


def write_page(checkup: ConformanceReport, path: Path) -> None:
    """Write the page, complete or not at all."""
    write_text(path, as_page(checkup))
