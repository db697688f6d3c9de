"""Estimates beside those of the Open Bandit Pipeline, on the same arrays.

    python -m benchmarks.obp [--environments FOLDER] [--json FILE]

The pipeline is installed, with the versions that it was written for, into an environment of its
own. Ends with 1 unless all that is defined alike is equal to 1e-9.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.obp.ours import DIFFERENCES, arrays, estimates
from benchmarks.peers.environments import NotInstalled, Recipe, ready

TOLERANCE = 1e-9

# What obp 0.5.7 asks for, in versions that Python 3.11 has, but for torch; see `program`. It says
# that it is for Python below 3.11; the estimators do not mind.
RECIPE = Recipe(
    "obp",
    (
        "obp==0.5.7", "numpy==1.23.5", "scipy==1.9.3", "scikit-learn==1.1.3", "pandas==1.5.2",
        "matplotlib==3.6.2", "seaborn==0.11.2", "contourpy==1.0.6", "cycler==0.11.0",
        "fonttools==4.38.0", "joblib==1.2.0", "kiwisolver==1.4.4", "packaging==22.0",
        "Pillow==9.3.0", "pyparsing==3.0.9", "python-dateutil==2.8.2", "pytz==2022.7",
        "PyYAML==6.0.1", "six==1.16.0", "threadpoolctl==3.1.0", "tqdm==4.64.1",
    ),
    options=("--ignore-requires-python",),
)  # fmt: skip


def main() -> int:
    options = parsed()
    try:
        python = ready(RECIPE, options.environments)
    except NotInstalled as error:
        print(f"the Open Bandit Pipeline could not be installed: {error}", file=sys.stderr)
        return 1
    given = arrays(seed=0)
    theirs, ours = asked(python, given), estimates(given)
    print(f"obp {RECIPE.version}, {len(given['reward']):,} decisions among 5 arms\n")
    print(table(ours, theirs))
    print("\nNot defined alike, so not compared:")
    for name, why in DIFFERENCES.items():
        print(f"- {name}: {why}")
    if options.json:
        options.json.write_text(json.dumps({"ours": ours, "theirs": theirs}, indent=2) + "\n")
    return int(any(abs(ours[name] - theirs[name]) > TOLERANCE for name in ours))


def asked(python: Path, given: dict[str, np.ndarray]) -> dict[str, float]:
    """The pipeline's estimates of these arrays."""
    program = Path(__file__).with_name("program.py")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "arrays.npz")
        np.savez(file, **given)  # type: ignore[arg-type]  # its stub knows of no arrays by name
        done = subprocess.run(
            [python, program, file], capture_output=True, text=True, cwd=folder, env={}
        )
    if done.returncode:
        raise SystemExit(f"the pipeline failed: {done.stderr.strip()[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


def table(ours: dict[str, float], theirs: dict[str, float]) -> str:
    rows = ["| estimator | ours | theirs | apart |", "|---|---|---|---|"]
    for name, value in ours.items():
        apart = abs(value - theirs[name])
        rows.append(f"| {name} | {value:.12f} | {theirs[name]:.12f} | {apart:.1e} |")
    return "\n".join(rows)


def parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--environments", type=Path, default=Path(".peers"))
    parser.add_argument("--json", type=Path, help="also write the numbers into this file")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
