"""The report: all of the result in one file, which loads nothing and runs nothing."""

import builtins
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from msgspec.structs import replace

from bandit_service.errors import InvalidField
from bandit_service.evaluation.report import as_html, write_html
from bandit_service.evaluation.results import Difference, Mean, Result
from bandit_service.evaluation.wording import (
    against_hull,
    decimals_for,
    estimate,
    headline,
    lead,
    percent,
    reading,
)
from tests.evaluation.example_result import ARMS, LABELS, bare_result, full_result, light_result

VOID = {"meta", "link", "img", "br", "hr", "input"}
NBSP = "\N{NO-BREAK SPACE}"


class Page(HTMLParser):
    """Tags with their attributes, cells by table, all text; unbalanced tags are errors."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.tables: dict[str, list[list[str]]] = {}
        self._open: list[str] = []
        self._rows: list[list[str]] = []
        self.feed(html)
        self.close()
        assert not self._open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)
        if tag == "caption":
            self._rows = self.tables.setdefault(dict(attrs)["id"], [])
        if tag == "tr":
            self._rows.append([])
        if tag in ("th", "td"):
            self._rows[-1].append("")

    def handle_startendtag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag):
        assert self._open.pop() == tag

    def handle_data(self, data):
        if "style" not in self._open:
            self.text += data
        if self._open[-1:] in (["th"], ["td"]):
            self._rows[-1][-1] += data


@pytest.fixture(scope="module")
def html() -> str:
    return as_html(full_result())


@pytest.fixture(scope="module")
def full(html: str) -> Page:
    return Page(html)


@pytest.fixture(scope="module")
def bare() -> Page:
    return Page(as_html(bare_result()))


def cell(page: Page, table: str, row: str, column: str) -> str:
    headers, *rows = page.tables[table]
    return next(r for r in rows if r[0] == row)[headers.index(column)]


def test_it_loads_and_runs_nothing(full: Page) -> None:
    for tag, attributes in full.tags:
        assert tag not in ("script", "link", "iframe", "object", "embed", "base", "form")
        for name, value in attributes.items():
            assert not name.startswith("on")
            if name in ("src", "href", "xlink:href", "action", "data", "poster", "srcset"):
                assert (value or "").startswith("#"), f"{tag} {name}={value}"


def test_its_styles_load_nothing(html: str) -> None:
    assert "@import" not in html
    assert all(target.startswith("#") for target in re.findall(r"url\(([^)]*)\)", html))
    assert "http:" not in html
    assert "https:" not in html


def test_it_has_every_policy_and_reference_and_arm(full: Page) -> None:
    result = full_result()
    rows = [row[0] for row in full.tables["table-outcomes"]]

    for label in LABELS:
        assert label in rows
    for reference in result.references:
        if reference.kind != "arm":
            assert reference.name + (" †" if reference.hindsight else "") in rows
    assert {row[0] for row in full.tables["table-arms"][1:]} == set(ARMS)


def test_numbers_have_their_error_and_decimals_alike(full: Page) -> None:
    """Worked by hand from the record: 0.846 ± 0.0016; USD 0.0022 ± 0.0022 x 10 x 0.0016."""
    cost = "cost (USD per 1,000 queries)"

    assert cell(full, "table-outcomes", "default", "quality") == "0.8460 ± 0.0016"
    # The least cost in the column is 0.048 (three digits: 0.0480), so four decimals for all.
    assert cell(full, "table-outcomes", "default", cost) == "2.2000 ± 0.0352"
    assert cell(full, "table-outcomes", "oracle †", cost) == "1.4000"
    assert cell(full, "table-outcomes", "oracle †", "latency (seconds)") == "unknown"
    assert cell(full, "table-choices", "default", "regret") == "376.0 ± 6.4"
    assert cell(full, "table-choices", "default", "routing accuracy") == f"48.2 ± 0.2{NBSP}%"
    assert cell(full, "table-choices", "default", "decisions a second") == "7,421"
    assert (
        cell(full, "table-choices", "default", "won / tied / lost") == f"8.0 / 81.0 / 11.0{NBSP}%"
    )
    assert cell(full, "table-arms", "openai/gpt-4.1", "share: default") == f"13.0 ± 1.0{NBSP}%"


def test_counted_part_is_shown_where_there_was_a_warmup(full: Page, bare: Page) -> None:
    assert cell(full, "table-counted", "default", "quality") == "0.8500 ± 0.0017"
    assert "table-counted" not in bare.tables


def test_the_confusion_can_be_read_without_seeing(full: Page) -> None:
    shown = full_result().policies[0].confusion
    _, *rows = full.tables["table-confusion-1"]

    assert [[float(text) for text in row[1:]] for row in rows] == [
        pytest.approx([100 * share for share in row], abs=0.05) for row in shown
    ]


def test_it_can_be_found_through_by_ear(full: Page) -> None:
    """Headings, scopes, captions and the alternative texts of pictures."""
    tags = [tag for tag, _ in full.tags]
    pictures = [a for tag, a in full.tags if tag == "div" and a.get("role") == "img"]
    ids = {attributes["id"] for _, attributes in full.tags if "id" in attributes}

    assert tags.count("h1") == 1
    assert all(a.get("scope") in ("col", "row") for tag, a in full.tags if tag == "th")
    assert tags.count("caption") == tags.count("table")
    assert tags.count("svg") == tags.count("figcaption") == len(pictures) == 10
    assert all(len(attributes["aria-label"] or "") > 40 for attributes in pictures)
    assert {a["aria-labelledby"] for _, a in full.tags if "aria-labelledby" in a} <= ids
    assert ("html", {"lang": "en"}) in full.tags


def test_ids_are_unique(full: Page) -> None:
    ids = [attributes["id"] for _, attributes in full.tags if "id" in attributes]

    assert len(ids) == len(set(ids))


def test_what_is_unknown_is_left_out_or_said(bare: Page) -> None:
    assert bare.tables["table-outcomes"] == [
        ["policy or reference", "quality"],
        ["default", "0.6100"],
    ]
    assert "what it costs is not known" in bare.text
    assert not [tag for tag, _ in bare.tags if tag == "svg"]
    assert "None" not in bare.text
    assert "nan" not in bare.text.split()


@pytest.mark.parametrize(
    "word", ["Regret", "Routing accuracy", "Static hull", "Oracle", "Propensity"]
)
def test_words_are_explained(bare: Page, word: str) -> None:
    assert f"\n{word}\n" in bare.text


def test_names_cannot_break_out_of_the_page() -> None:
    evil = "\"><script>alert(1)</script><img src=x onerror='x'>{{ 7 * 7 }}"
    bare = bare_result()
    policy = replace(bare.policies[0], policy=evil, description=evil, arm_shares={evil: Mean(0.5)})
    result = replace(
        bare,
        data=evil,
        arms=(evil, "right"),
        compared_with=evil,
        policies=(policy,),
        references=tuple(replace(r, name=evil, note=evil, kind="x") for r in bare.references),
        differences=(a_difference(low=0.1, high=0.3, first=evil, second=evil),),
        notes=(evil,),
    )

    page = Page(as_html(result))

    assert {tag for tag, _ in page.tags}.isdisjoint({"script", "img"})
    # title, h1, headline, caption of choices, rows of: outcomes 3, choices, differences 2 and its
    # reading, arms and its share; references' notes 4; settings 2, policies 2, note
    assert page.text.count(evil) == 4 + 3 + 1 + 3 + 2 + 4 + 2 + 2 + 1


def test_names_in_pictures_cannot_break_out_either() -> None:
    evil = '"><script>alert(1)</script>'
    light = light_result()
    policy = replace(light.policies[0], policy=evil)

    page = Page(as_html(replace(light, data=evil, policies=(policy,))))

    assert "script" not in {tag for tag, _ in page.tags}


def test_equal_results_give_equal_bytes(tmp_path: Path) -> None:
    for name in ("one", "two"):
        write_html(light_result(), tmp_path / name)

    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_it_can_be_mailed(html: str) -> None:
    assert len(html.encode()) < 1_000_000


def test_it_replaces_the_whole_file_or_leaves_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "report.html"
    path.write_text("before")

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", full_disk)
        with pytest.raises(InvalidField, match=r"report\.html: cannot be written: No space left"):
            write_html(bare_result(), path)
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]

    write_html(bare_result(), path)
    assert path.read_text().startswith("<!DOCTYPE html>")
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidField, match=r"report\.html: cannot be written: No such file"):
        write_html(bare_result(), tmp_path / "missing" / "report.html")


@pytest.mark.parametrize("library", ["jinja2", "matplotlib"])
def test_without_a_library_one_line_says_what_to_install(
    library: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = builtins.__import__

    def without(name: str, *rest):
        if name.split(".")[0] == library:
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)

    with pytest.raises(InvalidField, match=library) as caught:
        write_html(bare_result(), tmp_path / "report.html")
    assert str(caught.value).endswith("pip install 'bandit-service[evaluation]'")
    assert not list(tmp_path.iterdir())


def measured(quality: float, error: float | None, of_cost: float | None = 0.24, **others) -> Result:
    """A single policy whose best single model has quality .9."""
    full = full_result()
    whole = replace(
        full.policies[0].whole,
        quality=Mean(quality, error),
        quality_of_best=Mean(quality / 0.9),
        cost_of_best=None if of_cost is None else Mean(of_cost),
    )
    return replace(full, policies=(replace(full.policies[0], whole=whole, **others),))


def test_the_headline_has_quality_and_cost_as_shares_of_the_best_single() -> None:
    (policy,) = measured(0.837, 0.001).policies

    assert headline(policy) == (  # .837 / .9 = .93
        f"default reaches 93{NBSP}% of the best single model's quality at 24{NBSP}% of its cost."
    )


def test_the_headline_without_costs_says_whose() -> None:
    (policy,) = measured(0.9018, 0.001, of_cost=None).policies
    reached = f"default reaches 100.2{NBSP}% of the best single model's quality"

    assert headline(policy) == f"{reached}; its cost as a share of that model's is not known."
    policy = replace(policy, whole=replace(policy.whole, cost_usd=None))
    assert headline(policy) == f"{reached}; what it costs is not known."


def test_the_headline_is_of_the_default_wherever_it_stands() -> None:
    full = full_result()
    backwards = replace(full, policies=full.policies[::-1])
    without = replace(full, policies=full.policies[1:])

    assert lead(backwards).policy == "default"
    assert lead(without).policy == "linear_ucb"


@pytest.mark.parametrize(
    ("quality", "error", "said"),
    [
        (0.83, 0.001, "It is above the static hull (0.8300 against 0.8020)"),
        (0.80, 0.001, "It is below the static hull (0.8000 against 0.8020)"),  # 2 errors away
        (0.80, 0.0011, "No difference shown from the static hull"),  # 1.8 errors away
        (0.80, None, "It is below the static hull"),
    ],
)
def test_a_policy_is_held_against_the_static_hull(
    quality: float, error: float | None, said: str
) -> None:
    result = measured(quality, error)

    sentence = against_hull(result, result.policies[0])

    assert sentence.startswith(said)
    assert ("One seed only" in sentence) == (error is None)


def test_without_a_hull_nothing_is_said_of_it() -> None:
    assert against_hull(bare_result(), bare_result().policies[0]) == ""


def a_difference(
    low: float | None, high: float | None, measure="quality", first="a", second="b"
) -> Difference:
    return Difference(
        first=first,
        second=second,
        measure=measure,
        difference=0.0 if low is None or high is None else (low + high) / 2,
        standard_error=None,
        low=low,
        high=high,
    )


@pytest.mark.parametrize(
    ("difference", "said"),
    [
        (a_difference(0.1, 0.3), "a is better"),
        (a_difference(-0.3, -0.1), "b is better"),
        (a_difference(-0.1, 0.3), "no difference shown"),
        (a_difference(0.0, 0.3), "no difference shown"),
        (a_difference(0.1, 0.3, "cost_usd"), "b is cheaper"),
        (a_difference(-0.3, -0.1, "cost_usd"), "a is cheaper"),
        (a_difference(0.1, 0.3, "regret"), "b loses less"),
        (a_difference(-0.3, -0.1, "regret"), "a loses less"),
        (a_difference(None, None), "no interval from one seed: nothing shown"),
    ],
)
def test_an_interval_is_read_in_plain_words(difference: Difference, said: str) -> None:
    assert reading(difference) == said


def test_differences_show_their_sign_interval_and_unit(full: Page) -> None:
    _, quality, cost, regret = full.tables["table-differences"]

    assert quality[2:] == ["+0.0080", f"+0.0055 to +0.0105 (95{NBSP}%)", "default is better"]
    assert cost[1:3] == ["cost (USD per 1,000 queries)", "+0.3000"]
    assert cost[-1] == "no difference shown"
    assert regret[2:4] == ["−108.0", f"−126.8 to −89.2 (95{NBSP}%)"]  # noqa: RUF001


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0.24, "24"),
        (0.9746, "97"),
        (0.9846, "98.5"),
        (1.021, "102"),
        (1.0021, "100.2"),
        (0.0041, "0.4"),
        (1.5, "150"),
        (-0.02, "−2.0"),  # noqa: RUF001
    ],
)
def test_percent_keeps_a_decimal_where_it_matters(share: float, text: str) -> None:
    assert percent(share) == f"{text}{NBSP}%"


def test_estimates_without_an_error_have_none() -> None:
    assert estimate(Mean(1234.5), 0) == "1,234"
    assert estimate(Mean(-0.5, 0.25), 2, scale=10) == "−5.00 ± 2.50"  # noqa: RUF001
    assert estimate(None, 2) is None


@pytest.mark.parametrize(
    ("value", "decimals"), [(0.0123, 4), (0.1, 3), (9.99, 2), (-10, 1), (1e9, 0), (1e-12, 8)]
)
def test_decimals_show_three_significant_digits(value: float, decimals: int) -> None:
    assert decimals_for(value) == decimals
