"""The same journal on other CPUs: OpenBLAS picks its kernels by the machine, or as it is told."""

import os
import subprocess
import sys

import pytest

from tests.faults.effort import ROOT, effort

KERNELS = ("Haswell", "SkylakeX", "Nehalem")
EVENTS = effort(300, 3_000)
# numpy reads the kernel when it is loaded, so each needs a process.
FOLD = f"""
import sys
from threadpoolctl import threadpool_info
from tests.builders import an_engine
from tests.service.journals import RandomJournal

def kernels():
    return {{one["architecture"] for one in threadpool_info() if one["internal_api"] == "openblas"}}

journal = RandomJournal(1, sys.argv[1], half_life=600.0)
engine = an_engine(journal.config, *journal.write({EVENTS})[1:])
print(*sorted(kernels()), engine.state_hash())
"""


def fold_on(kernel: str, algorithm: str) -> list[str]:
    environment = {**os.environ, "OPENBLAS_CORETYPE": kernel, "PYTHONPATH": str(ROOT)}
    told = subprocess.run(
        [sys.executable, "-c", FOLD, algorithm],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    return told.stdout.split()


@pytest.mark.parametrize("algorithm", ["linear_thompson", "hierarchical_thompson"])
def test_the_state_is_the_same_on_every_kernel_of_blas(algorithm):
    found = [fold_on(kernel, algorithm) for kernel in KERNELS]

    hashes = {one[-1] for one in found}
    assert len(hashes) == 1
