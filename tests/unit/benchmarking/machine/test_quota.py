"""A container's CPU quota, from planted control groups of both versions."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgecnn.benchmarking.machine import quota
from edgecnn.benchmarking.verdict.quota import stopped_by_quota
from edgecnn.results import Run

STAT = "nr_periods {0}\nnr_throttled {1}\n"


def plant(root: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


MOUNT_2 = "31 23 0:28 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n"
MOUNT_1 = "32 31 0:29 {} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"


@pytest.mark.parametrize(
    ("files", "processors"),
    [
        pytest.param({}, None, id="nothing is told"),
        pytest.param(
            {
                "proc/self/cgroup": "0::/a/b\n",
                "proc/self/mountinfo": MOUNT_2,
                "sys/fs/cgroup/a/b/cpu.max": "20000 100000\n",
                "sys/fs/cgroup/a/cpu.max": "max 100000\n",
            },
            0.2,
            id="version 2",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "0::/a/b\n",
                "proc/self/mountinfo": MOUNT_2,
                "sys/fs/cgroup/a/b/cpu.max": "max 100000\n",
                "sys/fs/cgroup/a/cpu.max": "150000 100000\n",
            },
            1.5,
            id="version 2, the limit one level up",
        ),
        pytest.param(
            {"sys/fs/cgroup/cpu.max": "50000 100000\n", "proc/self/cgroup": "0::/\n"},
            0.5,
            id="version 2 in a container, mounts hidden",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "4:memory:/x\n3:cpu,cpuacct:/docker/abc\n0::/docker/abc\n",
                "proc/self/mountinfo": MOUNT_1.format("/docker/abc"),
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us": "30000\n",
                "sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us": "100000\n",
            },
            0.3,
            id="version 1 in a container",
        ),
        pytest.param(
            {
                "proc/self/cgroup": "3:cpu,cpuacct:/x\n",
                "proc/self/mountinfo": MOUNT_1.format("/"),
                "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu,cpuacct/x/cpu.cfs_period_us": "100000\n",
            },
            None,
            id="version 1 without limit",
        ),
        pytest.param(
            {"proc/self/cgroup": "0::/../..\n", "sys/fs/cgroup/cpu.max": "rubbish\n"},
            None,
            id="rubbish",
        ),
    ],
)
def test_the_tightest_quota_counts(tmp_path, files, processors):
    assert quota.processors(plant(tmp_path, files)) == processors


def test_the_group_that_was_stopped_most_is_reported(tmp_path):
    before = {"a": quota.Counters(10, 0, 0.0), "b": quota.Counters(10, 5, 1.0)}
    after = {"a": quota.Counters(30, 1, 0.1), "b": quota.Counters(40, 25, 3.0)}
    assert quota.difference(before, after) == {
        "periods": 30,
        "throttled_periods": 20,
        "throttled_secs": 2.0,
    }
    assert quota.difference({}, {}) is None


@pytest.mark.parametrize(
    ("text", "secs"),
    [("throttled_usec 2500000\n", 2.5), ("throttled_time 2500000000\n", 2.5)],
    ids=["version 2", "version 1"],
)
def test_counters_of_both_versions_are_in_seconds(tmp_path, text, secs):
    stat = STAT.format(126, 97) + text
    root = plant(tmp_path, {"sys/fs/cgroup/cpu.stat": stat, "sys/fs/cgroup/cpu.max": "max 1\n"})
    assert list(quota.read(root).values()) == [quota.Counters(126, 97, secs)]


def run(periods: int, stopped: int) -> Run:
    machine = {"cpu_quota": 0.2, "quota": {"periods": periods, "throttled_periods": stopped}}
    return Run(1, 1, (), (1,), machine=machine)


def test_a_run_that_was_stopped_is_reported_once():
    often, seldom = [run(126, 97)], [run(126, 1)]
    assert "in 97 of 126 periods" in next(stopped_by_quota(often, often=True))
    assert not list(stopped_by_quota(often, often=False))
    assert "in 1 of 126 periods" in next(stopped_by_quota(seldom, often=False))
    assert not list(stopped_by_quota(seldom, often=True))
    assert not list(stopped_by_quota([run(126, 0), Run(1, 1, (), (1,))], often=False))
