"""docs/guarantees.md: what is promised, what proves it, and what the last soak counted.

    python -m tests.faults.report            writes the page from what the tests have counted
    python -m tests.faults.report --check    only says whether every named test exists

The counts are in a folder of JSON files (FAULTS_RESULTS, build/faults), written by tests that
have passed.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

from tests.faults.effort import RESULTS, ROOT
from tests.faults.guarantees import GUARANTEES, Guarantee

PAGE = ROOT / "docs" / "guarantees.md"
# What the tests of a guarantee count together, in this order.
_SUMS = (
    *("kills", "pauses", "failures", "seeds", "damaged", "loaded", "migrations"),
    *("acknowledged", "lost", "twice"),
)
_HEAD = """# What is promised, and what proves it

Made by `make guarantees` from what the tests counted; do not edit. The short version of every
test runs in `make check`, the long one in `make soak`.

"Exactly once" is the *effect* of acknowledged feedback. Not promised: that a message is delivered
once, that all replicas know the same at the same moment, or that anything survives the loss of
the only copy of the database.

"""


def missing(guarantees: tuple[Guarantee, ...] = GUARANTEES) -> list[str]:
    """The named tests that do not exist."""
    named = sorted({test for each in guarantees for test in each.tests})
    return [test for test in named if not _exists(test)]


def _exists(test: str) -> bool:
    path, _, name = test.partition("::")
    file = ROOT / "tests" / path
    if not file.is_file():
        return False
    return bool(re.search(rf"^\s*(async )?def {re.escape(name)}\(", file.read_text(), re.MULTILINE))


def counted(folder: Path) -> list[dict[str, Any]]:
    """What tests have written, by name; a test with parameters has written several times."""
    found = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    return sorted(found, key=lambda one: str(one["test"]))


def page(results: list[dict[str, Any]], guarantees: tuple[Guarantee, ...] = GUARANTEES) -> str:
    lines = ["| | promise | proved by | counted |", "|---|---|---|---|"]
    lines += [f"{promised(each)} {_total(each, results)} |" for each in guarantees]
    return _HEAD + "\n".join(lines) + "\n\n" + _counts(results)


def promised(each: Guarantee) -> str:
    """A row of the table without its counts: it changes only with the code."""
    tests = ", ".join(f"`{test.partition('::')[2]}` ({_file(test)})" for test in each.tests)
    note = f" *{each.note}*" if each.note else ""
    return f"| {each.name} | {each.promise}{note} | {tests or 'nothing yet'} |"


def _file(test: str) -> str:
    return "tests/" + test.partition("::")[0]


def _total(each: Guarantee, results: list[dict[str, Any]]) -> str:
    """What its tests counted together; the control is not one of them: it has to lose."""
    names = {
        f"{Path(test.partition('::')[0]).stem}::{test.partition('::')[2]}" for test in each.tests
    }
    mine = [one["counts"] for one in results if one["test"].partition("[")[0] in names]
    told = [
        f"{word} {sum(one.get(word, 0) for one in mine if not one.get('control')):,}"
        for word in _SUMS
        if any(word in one for one in mine)
    ]
    return "<br>".join(told)


def _counts(results: list[dict[str, Any]]) -> str:
    title = "## What was counted\n\n"
    if not results:
        return title + "Nothing yet: run `make soak`.\n"
    lines = [
        "`lost` and `twice` are acknowledged answers that were not stored, and feedback that took",
        "effect twice. The control with asynchronous commits has to lose some. `loaded` are bad",
        "checkpoints that a start has taken, `different` are kernels with a hash of their own.",
        "",
        "| test | run | counts |",
        "|---|---|---|",
    ]
    for one in results:
        how = "long" if one["soak"] else "short"
        run = f"{how}, {one['day']}, `{one['commit']}`, seed {one['seed']}"
        counts = ", ".join(f"{k.replace('_', ' ')} {_number(v)}" for k, v in one["counts"].items())
        lines.append(f"| `{one['test']}` | {run} | {counts} |")
    return title + "\n".join(lines) + "\n"


def _number(value: Any) -> str:
    return f"{value:,}" if isinstance(value, int) else str(value)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.report", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only look for the named tests")
    parser.add_argument("--json", action="store_true", help="print what was counted as JSON")
    given = parser.parse_args()
    if lost := missing():
        print("no such test: " + ", ".join(lost), file=sys.stderr)
        return 1
    results = counted(RESULTS)
    if given.json:
        print(json.dumps(results, indent=1))
    elif not given.check:
        if not results:
            print(f"nothing was counted in {RESULTS}: run make soak first", file=sys.stderr)
            return 1
        PAGE.write_text(page(results))
        print(f"wrote {PAGE.relative_to(ROOT)} from {len(results)} counts")
    return 0


if __name__ == "__main__":
    sys.exit(main())
