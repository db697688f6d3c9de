"""Pictures: the right files, sound images, the same bytes, names that stay apart."""

import builtins
import io
import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from matplotlib import image
from msgspec.structs import replace

from bandit_service.errors import InvalidField
from bandit_service.evaluation.pictures import rendered, write_pictures
from bandit_service.evaluation.pictures.curves import learning
from bandit_service.evaluation.pictures.fronts import quality_cost
from bandit_service.evaluation.pictures.labels import spread
from bandit_service.evaluation.pictures.naming import (
    LONGEST_LABEL,
    file_names,
    one_line,
    short_names,
)
from bandit_service.evaluation.pictures.styling import DOTS_PER_INCH, house_style
from bandit_service.evaluation.results import Point
from tests.evaluation.example_result import (
    LABELS,
    bare_result,
    full_result,
    light_result,
    result_of_many_arms,
)

SHARED = {"learning.png", "regret.png", "quality-cost.png", "quality-energy.png"}
OF_POLICIES = {f"{kind}-{label}.png" for kind in ("shares", "confusion") for label in LABELS}


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_pictures(full_result(), tmp_path_factory.mktemp("pictures") / "made")


def light(**changes: object):
    """One policy, changed, with little to draw."""
    result = light_result()
    return replace(result, policies=(replace(result.policies[0], **changes),))


def names_of(result) -> set[str]:
    return {picture.name for picture in rendered(result, "svg")}


def test_a_full_result_gives_every_picture(written: list[Path]) -> None:
    assert {path.name for path in written} == SHARED | OF_POLICIES
    assert {path.name for path in written[0].parent.iterdir()} == SHARED | OF_POLICIES


def test_every_file_is_a_picture_of_report_width_that_is_not_blank(written: list[Path]) -> None:
    for path in written:
        assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
        pixels = image.imread(path)
        height, width, _ = pixels.shape
        grey = pixels[:, :, :3].mean(axis=2)

        assert 4 * DOTS_PER_INCH < width < 9 * DOTS_PER_INCH
        assert 3 * DOTS_PER_INCH < height < 9 * DOTS_PER_INCH
        assert grey.std() > 0.05, path.name
        assert grey[[0, -1], :].min() > 0.95, f"{path.name} is cut off at its top or bottom"
        assert grey[:, [0, -1]].min() > 0.95, f"{path.name} is cut off at its sides"


def test_a_result_without_curves_and_costs_gives_no_pictures(tmp_path: Path) -> None:
    assert write_pictures(bare_result(), tmp_path / "none") == []


def test_what_there_is_no_data_for_is_left_out() -> None:
    """Neither energies nor shares nor a confusion."""
    assert names_of(light()) == {"learning", "regret", "quality-cost"}


@pytest.mark.parametrize(("arms", "drawn"), [(16, True), (17, False)])
def test_a_confusion_of_more_than_sixteen_arms_is_not_drawn(arms: int, drawn: bool) -> None:
    policy = result_of_many_arms(arms).policies[0]
    nothing = light().policies[0].curve
    only = replace(policy, curve=replace(nothing, queries=()), whole=light().policies[0].whole)

    found = names_of(replace(result_of_many_arms(arms), policies=(only,)))

    assert ("confusion-default" in found) == drawn


def test_one_seed_has_a_line_without_a_band() -> None:
    curve = light().policies[0].curve
    none = (0.0,) * len(curve.queries)

    def bands(result) -> int:
        with house_style():
            (drawing,) = learning(result)
        return len(drawing.figure.axes[0].collections)

    assert bands(light()) == 1
    assert bands(light(curve=replace(curve, quality_error=none, regret_error=none))) == 0


def test_between_two_dials_lie_their_mixtures_as_on_the_hull() -> None:
    """Straight in cost even where the axis is logarithmic: a line straight on paper would be above
    the hull where no policy was."""
    ends = (
        Point(quality=0.9, cost_usd=0.01, quality_per_usd=0.0),
        Point(quality=0.5, cost_usd=0.0001, quality_per_usd=100.0),
    )

    with house_style():
        (drawing,) = quality_cost(light(dials=ends))
    axes = drawing.figure.axes[0]
    (line,) = (line for line in axes.lines if line.get_markevery() is not None)
    costs, qualities = np.asarray(line.get_xydata()).T

    assert axes.get_xscale() == "log"
    assert (costs[0], costs[-1]) == (10.0, 0.1)  # USD per 1,000 queries
    np.testing.assert_allclose(qualities, np.interp(costs, [0.1, 10.0], [0.5, 0.9]))
    assert np.ptp(costs[:: line.get_markevery()]) == np.ptp(costs)


def test_equal_results_give_equal_bytes() -> None:
    first, second = (rendered(light(), "png") for _ in range(2))

    assert [picture.data for picture in first] == [picture.data for picture in second]


def test_drawing_leaves_the_settings_of_others_alone_and_ignores_them() -> None:
    result = light(whole=bare_result().policies[0].whole)
    usual = [p.data for p in rendered(result, "svg")]
    with matplotlib.rc_context({"font.size": 25, "axes.grid": False, "svg.fonttype": "none"}):
        before = dict(matplotlib.rcParams)

        unusual = [p.data for p in rendered(result, "svg")]

        assert dict(matplotlib.rcParams) == before
    assert unusual == usual


def test_drawing_never_touches_pyplot() -> None:
    """pyplot keeps figures alive and picks a window system."""
    sources = Path(sys.modules[write_pictures.__module__].__file__ or "").parent.glob("*.py")

    assert not [path.name for path in sources if "pyplot" in path.read_text()]


def test_svg_stands_inside_html_and_takes_the_colours_of_the_page() -> None:
    ids: list[str] = []
    for picture in rendered(light(), "svg"):
        text = picture.data.decode()
        root = ElementTree.parse(io.BytesIO(picture.data)).getroot()  # noqa: S314
        ids += [element.attrib["id"] for element in root.iter() if "id" in element.attrib]
        used = re.findall(r'(?:href="#|url\(#)([^")]+)', text)

        assert root.tag == "svg"
        assert set(used) <= set(ids)
        assert "var(--ink)" in text
        assert "#222222" not in text
        assert "http" not in text
    assert len(ids) == len(set(ids)), "ids of all pictures share a page"


def test_labels_are_drawn_as_they_are() -> None:
    """Neither formulas nor markup; scripts without a font become boxes, without a warning."""
    label = "<script>alert(1)</script> --> $\\frac{1$ \u0378 \n end"

    full = full_result().policies[0]
    pictures = rendered(light(policy=label, confusion=full.confusion, curve=full.curve), "svg")

    assert len(pictures) == 5  # learning, regret, quality-cost, shares, confusion
    assert not any(b"<script" in picture.data or b"-->" in picture.data for picture in pictures)


def test_labels_never_name_files_outside_the_folder(tmp_path: Path) -> None:
    confusion = full_result().policies[0].confusion
    bare = bare_result().policies[0]
    result = light(
        policy="../../evil name", confusion=confusion, curve=bare.curve, whole=bare.whole
    )

    paths = write_pictures(result, tmp_path)

    assert paths == [tmp_path / "confusion-evil-name.png"]
    assert paths[0].is_file()


def test_file_names_are_plain_and_apart_on_any_system() -> None:
    labels = ["A", "a", "a/b", "a b", "..", "", "x" * 300, "x" * 301, "é", "a-2"]

    names = file_names(labels)

    assert list(names) == labels
    assert len({name.lower() for name in names.values()}) == len(labels)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9._-]{0,64}", name) for name in names.values())


def test_short_names_lose_the_maker_unless_that_tells_them_apart() -> None:
    short = short_names(["google/gemini-2.5-flash", "a/same", "b/same", "plain"])

    assert list(short.values()) == ["gemini-2.5-flash", "a/same", "b/same", "plain"]


def test_long_names_keep_both_ends_while_they_differ() -> None:
    stem = "mixture-of-experts-with-a-very-long-name"
    apart, alike = [f"{stem}-v1", f"{stem}-v2"], [f"{stem}-A-{stem}", f"{stem}-B-{stem}"]

    short = short_names(apart + alike)

    assert [short[name][-2:] for name in apart] == ["v1", "v2"]
    assert all(len(short[name]) == LONGEST_LABEL for name in apart)
    assert [short[name] for name in alike] == alike, "not shortened where that would confuse them"


def test_no_two_short_names_are_alike() -> None:
    assert sorted(short_names(["a\n", "a", "\t", " "]).values()) == [
        "(no name)",
        "(no name) (2)",
        "a",
        "a (2)",
    ]


def test_one_line_has_no_control_characters() -> None:
    assert one_line("a\x00b\r\nc\u202e") == "a b c"


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ([0.2, 0.8], [0.2, 0.8]),  # far apart: stay
        ([0.5, 0.5], [0.45, 0.55]),  # alike: half the gap each
        ([0.52, 0.5], [0.56, 0.46]),  # around their mean 0.51, in their order
        ([0.0, 0.0], [0.0, 0.1]),  # the frame stops the lower one
        ([1.0, 0.98, 1.0], [0.9, 0.8, 1.0]),  # and the upper one
    ],
)
def test_labels_move_as_little_as_keeps_them_a_gap_apart(
    wanted: list[float], expected: list[float]
) -> None:
    places = spread(np.array(wanted), gap=0.1, low=0.0, high=1.0)

    np.testing.assert_allclose(places, expected, atol=1e-12)


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")

    with pytest.raises(InvalidField, match=r"taken: cannot be written"):
        write_pictures(bare_result(), tmp_path / "taken")


def test_without_matplotlib_one_line_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    real = builtins.__import__

    def without(name: str, *rest):
        if name.split(".")[0] == "matplotlib":
            raise ModuleNotFoundError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)

    with pytest.raises(InvalidField, match=r"pip install 'bandit-service\[evaluation\]'") as caught:
        write_pictures(full_result(), tmp_path)
    assert "\n" not in str(caught.value)
