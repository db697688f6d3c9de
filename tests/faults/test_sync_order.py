"""SQLite: no byte of an answer leaves before the disk has what it speaks of.

A kill of the process cannot show a missing fdatasync, for the kernel keeps the pages; the order
of the system calls does.
"""

import asyncio
import random
import shutil
import subprocess
import sys

import psutil
import pytest

from tests.faults.clients import Acknowledged, under_clients
from tests.faults.effort import ROOT, effort, write_counts
from tests.faults.processes import DURABLE, free_port
from tests.faults.system_calls import TRACED, too_early
from tests.patience import PATIENCE, wait_until

ANSWERS = effort(150, 3_000)
WRITTEN = '7 pwrite64(14, "..f1..", 4096, 0) = 4096'
SYNCED = "7 fdatasync(14) = 0"
SENT = '9 sendmsg(20, {msg_iov=[{iov_base="..f1.."}]}, 0) = 5'


@pytest.mark.parametrize(
    ("trace", "early"),
    [
        ([WRITTEN, SYNCED, SENT], []),
        ([WRITTEN, "7 fdatasync(14 <unfinished ...>", "7 <... fdatasync resumed>) = 0", SENT], []),
        ([WRITTEN, SENT], ["f1"]),
        ([SENT], ["f1"]),
        ([SYNCED, WRITTEN, SENT], ["f1"]),
        ([WRITTEN, "7 fdatasync(15) = 0", SENT], ["f1"]),
        ([WRITTEN, "7 fdatasync(14) = -1 EIO (Input/output error)", SENT], ["f1"]),
        ([WRITTEN, "7 fdatasync(14 <unfinished ...>", SENT, "7 <... fdatasync resumed>) = 0"],
         ["f1"]),
        (["7 fdatasync(14 <unfinished ...>", WRITTEN, "7 <... fdatasync resumed>) = 0", SENT],
         ["f1"]),
    ],
)  # fmt: skip
def test_the_order_of_calls_is_read_rightly(trace, early):
    assert too_early(trace, ["f1"]) == (early, {"f1"})


async def some_answers(address: str) -> Acknowledged:
    async with under_clients([address], random.Random(1), count=8, prefix="token-") as told:
        await told.reach(ANSWERS)
    return told


@pytest.mark.timeout(1_800)
def test_no_answer_leaves_before_the_sync_of_its_commit(tmp_path, policy):
    strace = shutil.which("strace")
    assert strace, "this test needs strace: apt-get install strace"
    address, trace, said = f"127.0.0.1:{free_port()}", tmp_path / "trace", tmp_path / "said"
    serve = [sys.executable, "-m", "bandit_service.cli", "serve", "--listen", address]
    database = ["--database", f"sqlite:///{tmp_path}/test.db", "--policy", policy, DURABLE]
    follow = [strace, "-f", "-qq", "-s", "16384", "-e", f"trace={TRACED}", "-o", str(trace)]
    with said.open("w") as output:
        process = subprocess.Popen(
            [*follow, *serve, *database], stdout=output, stderr=subprocess.STDOUT, cwd=ROOT
        )
        try:
            wait_until(lambda: "listening on" in said.read_text() or process.poll(), "it serves")
            assert process.poll() is None, said.read_text()
            told = asyncio.run(some_answers(address))
        finally:
            for child in psutil.Process(process.pid).children():
                child.terminate()
            process.wait(PATIENCE)

    decisions = [choice.decision_id for choice in told.choices.values()]
    ids = [*decisions, *told.feedback]
    with trace.open(errors="replace") as lines:
        early, sent = too_early(lines, ids)

    assert early == []
    assert sent == set(ids)  # none was overlooked
    write_counts(
        "test_sync_order::test_no_answer_leaves_before_the_sync_of_its_commit",
        acknowledged=len(ids),
        lost=0,
    )
