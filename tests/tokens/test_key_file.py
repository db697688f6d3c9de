"""The file of keys: who may read it, what may stand in it, and what happens when it changes."""

import logging
from pathlib import Path

import pytest

from bandit_service.errors import InvalidField
from bandit_service.tokens import KeyFile

FIRST, SECOND = "11" * 32, "ab" * 48


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "keys", f"# ours\n\nk1 {FIRST}\nk2   {SECOND}  \n")


def write(path: Path, text: str, mode: int = 0o600) -> Path:
    path.touch(mode=0o600)
    path.chmod(0o600)
    path.write_text(text)
    path.chmod(mode)
    return path


def replace(path: Path, text: str, mode: int = 0o600) -> None:
    """As a careful operator does it: never half a file."""
    write(path.with_suffix(".new"), text, mode).replace(path)


def test_keys_are_read_in_their_order(path):
    keys = KeyFile(path).keys

    assert (keys.signing.id, keys.signing.secret) == ("k1", b"\x11" * 32)
    other = keys.find(b"k2")
    assert other is not None
    assert other.secret == b"\xab" * 48
    assert len(keys) == 2
    assert keys.find(b"k3") is None


@pytest.mark.parametrize("mode", [0o604, 0o602, 0o601, 0o644, 0o620, 0o666])
def test_others_must_not_get_at_it(path, mode):
    path.chmod(mode)

    with pytest.raises(InvalidField, match=f"{mode:04o}"):
        KeyFile(path)


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_its_owner_and_group_may_read_it(path, mode):
    path.chmod(mode)

    assert KeyFile(path).keys.signing.id == "k1"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "no key"),
        ("# nothing\n", "no key"),
        (f"k1 {FIRST[:-2]}", "line 1: after the id, at least 32 bytes"),
        (f"k1 {FIRST}\nk2 {'zz' * 32}", "line 2: after the id, at least 32"),
        ("k1", "line 1: after the id"),
        (FIRST, "line 1: an id is"),
        (f"k/1 {FIRST}", "line 1: an id is"),
        (f"k1 {FIRST}\nk1 {SECOND}", "line 2: the id has been given"),
    ],
)
def test_what_is_wrong_is_told_by_its_line_and_never_quoted(path, text, why):
    write(path, text)

    with pytest.raises(InvalidField, match=why) as refused:
        KeyFile(path)
    assert FIRST[:-2] not in str(refused.value)
    assert "zz" not in str(refused.value)


@pytest.mark.parametrize("where", ["missing", "."])
def test_what_is_no_file_is_refused(tmp_path, where):
    with pytest.raises(InvalidField, match="token_keys"):
        KeyFile(tmp_path / where)


def test_a_changed_file_is_read_again(path):
    file = KeyFile(path)
    assert not file.refresh()

    replace(path, f"k3 {FIRST}\nk1 {FIRST}\n")

    assert file.refresh()
    assert file.keys.signing.id == "k3"
    assert file.keys.find(b"k1") is not None
    assert not file.refresh()
    assert file.refresh(even_if_unchanged=True)


def test_a_file_that_went_bad_changes_nothing_and_is_told_of_once(path, caplog):
    caplog.set_level(logging.INFO)
    file = KeyFile(path)
    before = file.keys

    replace(path, f"k9 {FIRST}\n", mode=0o644)
    assert [file.refresh() for _ in range(3)] == [False] * 3
    replace(path, f"k9 {FIRST[:10]}\n")
    assert not file.refresh()
    path.unlink()
    assert [file.refresh() for _ in range(3)] == [False] * 3

    assert file.keys is before
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 3
    assert FIRST[:10] not in caplog.text

    replace(path, f"k9 {FIRST}\n")
    assert file.refresh()
    assert file.keys.signing.id == "k9"
    assert FIRST not in caplog.text
