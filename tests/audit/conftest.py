"""Databases to audit."""

import asyncio
import shutil

import pytest

from tests.audit.histories import a_history


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/audit.db"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """One history, for all those who doctor a copy of it."""
    file = tmp_path_factory.mktemp("history") / "audit.db"
    asyncio.run(a_history(f"sqlite:///{file}"))
    return file


@pytest.fixture
def copied(made, url, tmp_path):
    shutil.copy(made, tmp_path / "audit.db")
    return url
