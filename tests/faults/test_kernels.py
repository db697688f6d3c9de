"""The same journal on other CPUs: OpenBLAS picks its kernels by the machine, or as it is told."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.effort import ROOT, effort, write_counts

# And the flag of the CPU that each needs: without it, it dies of SIGILL.
KERNELS = {"Nehalem": "sse4_2", "Sandybridge": "avx", "Haswell": "avx2", "SkylakeX": "avx512dq"}
KERNELS |= {"ARMV8": "asimd", "CORTEXA57": "asimd"}
EVENTS = effort(300, 3_000)
# numpy reads the kernel when it is loaded, so each needs a process.
FOLD = f"""
import ctypes, sys
from pathlib import Path
from tests.builders import an_engine
from tests.service.journals import RandomJournal

def kernel():
    for line in Path("/proc/self/maps").read_text().splitlines():
        if "openblas64" in line:
            found = ctypes.CDLL(line.split()[-1]).scipy_openblas_get_corename64_
            found.restype = ctypes.c_char_p
            return found().decode()
    return "unknown"

journal = RandomJournal(1, sys.argv[1], half_life=600.0)
engine = an_engine(journal.config, *journal.write({EVENTS})[1:])
print(kernel(), engine.state_hash())
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
def test_the_state_is_the_same_on_every_kernel_of_blas(algorithm, request):
    flags = set(Path("/proc/cpuinfo").read_text().split())
    found = [fold_on(kernel, algorithm) for kernel, flag in KERNELS.items() if flag in flags]

    assert len({state_hash for _, state_hash in found}) == 1
    assert len({kernel for kernel, _ in found}) > 1  # or nothing was compared
    write_counts(
        f"test_kernels::{request.node.name}",
        kernels=", ".join(sorted({kernel for kernel, _ in found})),
        events=EVENTS,
        different=0,
    )
