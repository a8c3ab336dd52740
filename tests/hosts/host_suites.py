"""Runs the container suites with the engine of this machine and keeps what came of it, one JSON file a host.

`tests/hosts/run here [SUITE ...]` runs them as the user who calls it, with the engine that answers (DOCKER_HOST chooses
another), and writes tests/hosts/measured/NAME.json. `tests/hosts/run table` makes the tables of docs/engines.md of all such
files; `table --check` exits with 1 where the page says something else. Suites that were run before are kept.
"""

# ruff: noqa: T201 -- a program that prints
import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
import xml.etree.ElementTree as ET
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
MEASURED = Path(__file__).parent / "measured"
PAGE = ROOT / "docs" / "engines.md"
BEGIN, END = "<!-- made by tests/hosts/run table -->\n", "<!-- end of what is made -->\n"
BASE = os.environ.get("LUMIRAGE_BASE_IMAGE", "lumirage/base:bookworm")
SUITES = {
    "doctor": "",
    "measuring": "tests/containers/test_containers_measure.py",
    "conformance": "tests/containers/test_containers_conformance.py",
    "hostile": "tests/containers/test_containers_hostile.py",
    "contracts": "tests/containers/test_containers_contracts.py",
    "volumes": "tests/containers/test_containers_volumes.py",
    "kill": "tests/containers/test_containers_kill.py",
}
"""Name -> the file of tests; doctor is the command."""
NOT_MEASURED = "not measured"
TEST_HOURS = 2


def host() -> dict[str, str]:
    """The engine that answers, and where it runs."""
    import docker

    client = docker.from_env()
    info, version = client.info(), client.version()
    client.close()
    names = [part["Name"] for part in version.get("Components") or []]
    podman = any("Podman" in name for name in names)
    rootless = any("rootless" in option for option in info.get("SecurityOptions") or [])
    return {
        "engine": f"{'podman' if podman else 'Docker'} {version['Version'].split('+')[0]}",
        "groups": f"v{info.get('CgroupVersion', '?')}, {info.get('CgroupDriver', '?')}",
        "user": "rootless" if rootless else "root" if os.getuid() == 0 else "user",
        "system": f"{info.get('OperatingSystem', '?')}, Linux {platform.release().split('-')[0]}",
    }


def name_of(found: dict[str, str]) -> str:
    """The name of the file of a host."""
    words = " ".join((found["engine"], found["user"], "cgroups", found["groups"]))
    return "-".join(words.lower().replace(",", "").split())


def doctor() -> dict[str, Any]:
    """What the command `doctor` finds."""
    words = [sys.executable, "-m", "lumirage.cli", "doctor", "--runtime", "docker", "--image", BASE]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    lines = [line.split(maxsplit=2) for line in done.stdout.splitlines()]
    held = [line for line in lines if line[0] == "holds"]
    failed = [f"{name}: {how}" for word, name, how in (line for line in lines if line[0] == "FAILS")]
    if not held and not failed:
        failed = [done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit code {done.returncode}"]
    return {"passed": len(held), "failed": failed, "skipped": 0}


def tests(file: str) -> dict[str, Any]:
    """What the tests of a file that concern the engine came to."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        chosen = ["-k", "not apptainer and not local", f"--junitxml={report}"]
        words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=short", *chosen, file]
        subprocess.run(words, cwd=ROOT, check=False, timeout=TEST_HOURS * 3600)
        cases = list(ET.parse(report).iter("testcase"))
    failed = [
        case.get("name", "") for case in cases if case.find("failure") is not None or case.find("error") is not None
    ]
    skipped = sum(case.find("skipped") is not None for case in cases)
    return {"passed": len(cases) - len(failed) - skipped, "failed": sorted(set(failed)), "skipped": skipped}


def measure(suites: list[str]) -> Path:
    """Run these suites here; the file that was written."""
    found = host()
    path = MEASURED / f"{name_of(found)}.json"
    record: dict[str, Any] = {**found, "machine": "", "suites": {}}
    if path.exists():
        record |= json.loads(path.read_text())
    record |= found
    for suite in suites:
        began = time.monotonic()
        outcome = doctor() if suite == "doctor" else tests(SUITES[suite])
        outcome |= {"minutes": round((time.monotonic() - began) / 60, 1), "date": datetime.now(UTC).date().isoformat()}
        record["suites"][suite] = outcome
        path.write_text(json.dumps(record, indent=1) + "\n")
        print(f"{found['engine']} ({found['user']}), {suite}: {cell(outcome)}, {outcome['minutes']} min", flush=True)
    return path


def cell(outcome: dict[str, Any] | None) -> str:
    """A suite's outcome in few words."""
    if outcome is None:
        return NOT_MEASURED
    skipped = f", {outcome['skipped']} skipped" if outcome["skipped"] else ""
    return f"{outcome['passed']} of {outcome['passed'] + len(outcome['failed'])}{skipped}"


def table(records: list[dict[str, Any]]) -> str:
    """Engines by suites, and below it what failed."""
    head = ["engine", "as", "control groups", "system", *SUITES, "date"]
    rows = [head, ["---"] * len(head)]
    lines = []
    for record in records:
        suites = record["suites"]
        dates = sorted({suite["date"] for suite in suites.values()})
        when = " to ".join(dict.fromkeys((dates[0], dates[-1]))) if dates else ""
        names = [record["engine"], record["user"], record["groups"], f"{record['system']}{record['machine']}"]
        rows.append([*names, *(cell(suites.get(suite)) for suite in SUITES), when])
        for suite, outcome in suites.items():
            lines += [f"- {record['engine']} as {record['user']}, {suite}: `{name}`" for name in outcome["failed"]]
    text = "".join(f"| {' | '.join(row)} |\n" for row in rows)
    return text + ("\nWhat did not hold or pass:\n\n" + "\n".join(lines) + "\n" if lines else "")


def page(text: str) -> str:
    """The page with its table made anew."""
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    records = [json.loads(path.read_text()) for path in sorted(MEASURED.glob("*.json"))]
    return before + BEGIN + "\n" + table(records) + "\n" + END + after


def main() -> int:
    """Do what the words ask for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="what", required=True)
    here = parts.add_parser("here", help="run suites with this machine's engine")
    here.add_argument("suites", nargs="*", metavar="SUITE", help=f"some of {', '.join(SUITES)}; none: all")
    making = parts.add_parser("table", help="make the table of docs/engines.md")
    making.add_argument("--check", action="store_true", help="only say whether the page has it")
    asked = parser.parse_args()
    if asked.what == "here":
        if unknown := set(asked.suites) - SUITES.keys():
            parser.error(f"no suite {', '.join(sorted(unknown))}; there are {', '.join(SUITES)}")
        print(f"written: {measure(asked.suites or list(SUITES))}")
        return 0
    made = page(PAGE.read_text())
    if asked.check:
        return int(made != PAGE.read_text())
    PAGE.write_text(made)
    return 0


if __name__ == "__main__":
    sys.exit(main())
