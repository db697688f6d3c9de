"""`python -m benchmarks [--quick] [--json FOLDER]`: every number that the README claims."""

import argparse
from pathlib import Path

from benchmarks import disturbed, learners, replicas, restart, simulation, store, wire

PARTS = (
    ("learners", learners),
    ("simulation", simulation),
    ("store", store),
    ("wire", wire),
    ("replicas", replicas),
    ("restart", restart),
    ("disturbed", disturbed),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the calls, SQLite only")
    parser.add_argument("--json", type=Path, help="also write the numbers into this folder")
    options = parser.parse_args()
    if options.json:
        options.json.mkdir(parents=True, exist_ok=True)
    for name, module in PARTS:
        arguments = ["--json", str(options.json / f"{name}.json")] if options.json else []
        if options.quick and module in (wire, replicas, restart, disturbed):
            arguments.append("--quick")
        module.main(arguments)


if __name__ == "__main__":
    main()
