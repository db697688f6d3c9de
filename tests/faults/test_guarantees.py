"""The table of docs/guarantees.md names tests that exist, and shows what they counted."""

import json

from tests.faults import report
from tests.faults.guarantees import GUARANTEES, Guarantee


def test_every_named_test_exists():
    assert report.missing() == []


def test_every_guarantee_is_named_once_and_what_is_not_proved_says_so():
    assert [each.name for each in GUARANTEES] == [f"G{n}" for n in range(1, 18)]
    assert all(each.tests or each.note for each in GUARANTEES)


def test_a_test_that_is_gone_is_missed():
    named = (
        "faults/test_guarantees.py::test_every_named_test_exists",
        "faults/test_guarantees.py::test_every_named_test",
        "faults/test_nothing.py::test_nothing",
    )

    assert report.missing((Guarantee("G0", "", named),)) == [named[1], named[2]]


def test_the_page_shows_every_guarantee_and_what_was_counted(tmp_path):
    counts = {"kills": 1_500, "lost": 0}
    written = {"test": "test_a::test_b[sqlite]", "soak": True, "seed": 7, "commit": "abc"}
    (tmp_path / "a.json").write_text(json.dumps(written | {"day": "2026-01-01", "counts": counts}))

    page = report.page(report.counted(tmp_path))

    row = "| `test_a::test_b[sqlite]` | long, 2026-01-01, `abc`, seed 7 | kills 1,500, lost 0 |"
    assert row in page
    assert all(report.promised(each) in page for each in GUARANTEES)


def test_the_counts_of_a_guarantee_are_those_of_its_tests_without_the_control():
    results = [
        {"test": "test_a::test_one[sqlite]", "counts": {"kills": 2, "lost": 0}},
        {"test": "test_a::test_one[postgres]", "counts": {"kills": 3, "lost": 0}},
        {"test": "test_a::test_control", "counts": {"kills": 1, "lost": 9, "control": "loses"}},
        {"test": "test_a::test_another", "counts": {"kills": 50, "lost": 0}},
    ]
    one = Guarantee("G0", "", ("faults/test_a.py::test_one", "faults/test_a.py::test_control"))
    run = {"soak": False, "day": "", "commit": "", "seed": 1}

    page = report.page([result | run for result in results], (one,))

    assert "| kills 5<br>lost 0 |" in page


def test_the_page_in_the_docs_has_the_table_of_today():
    """The counts are of the last soak; the promises are those of the code."""
    page = report.PAGE.read_text()

    assert [each.name for each in GUARANTEES if report.promised(each) not in page] == []
