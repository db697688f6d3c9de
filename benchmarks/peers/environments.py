"""An environment of its own for each peer, made from exact versions and kept until they change."""

import hashlib
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

_SCIENTIFIC = ("numpy==2.4.6", "scipy==1.17.1")
_LEARNING = (
    *_SCIENTIFIC,
    "cloudpickle==3.1.2",
    "joblib==1.6.0",
    "narwhals==2.29.0",
    "scikit-learn==1.9.1",
    "threadpoolctl==3.8.0",
)
_DRAWING = (
    "contourpy==1.3.3",
    "cycler==0.12.1",
    "fonttools==4.68.0",
    "kiwisolver==1.5.1",
    "matplotlib==3.11.2",
    "packaging==26.3",
    "pandas==3.1.1",
    "pillow==13.0.0",
    "pyparsing==3.3.3",
    "python-dateutil==4.0.0",
    "seaborn==0.13.2",
    "tzdata==2026.6",
)


class NotInstalled(Exception):
    """Why a peer cannot take part."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """An environment: its name, and all that is installed in it, each in one exact version.

    options   of pip
    """

    name: str
    requirements: tuple[str, ...]
    options: tuple[str, ...] = ()

    @property
    def version(self) -> str:
        """Of the peer itself, which comes first."""
        return self.requirements[0].partition("==")[2]

    @property
    def digest(self) -> str:
        """Changes with the requirements and with the interpreter that they are installed for."""
        parts = (sys.version, *self.requirements, *self.options)
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe("paretobandit", ("paretobandit==0.1.1", *_LEARNING, "tqdm==4.70.1")),
        Recipe("mabwiser", ("mabwiser==2.7.4", *_LEARNING, *_DRAWING)),
        Recipe("vowpalwabbit", ("vowpalwabbit==9.11.9", "numpy==2.4.6")),
        Recipe("river", ("river==0.26.1", *_SCIENTIFIC, "narwhals==2.29.0")),
    )
}


def ready(recipe: Recipe, folder: Path) -> Path:
    """The interpreter of the environment folder/name, made anew where the recipe has changed.

    Raises NotInstalled.
    """
    home = folder / recipe.name
    python, stamp = home / "bin" / "python", home / "recipe.sha256"
    if stamp.is_file() and stamp.read_text() == recipe.digest and python.exists():
        return python
    shutil.rmtree(home, ignore_errors=True)
    try:
        venv.create(home, with_pip=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise NotInstalled(f"no environment in {home}: {error}") from error
    _install(python, recipe)
    stamp.write_text(recipe.digest)  # last: an interrupted installation is not taken for a whole
    return python


def _install(python: Path, recipe: Recipe) -> None:
    # --no-deps: what a peer needs is listed, so that nothing comes in an unknown version.
    command = [str(python), "-m", "pip", "install", "--no-deps", "--disable-pip-version-check"]
    done = subprocess.run(
        [*command, "--quiet", *recipe.options, *recipe.requirements], capture_output=True, text=True
    )
    if done.returncode:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        raise NotInstalled(errors[-1] if errors else done.stderr[-300:].strip())
