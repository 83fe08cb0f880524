"""Fails a run in which a test is skipped for a reason that nobody expects there.

    python -m pytest -p tests.strict_skips

`tests/known_skips.txt` lists the reasons, one regular expression a line, for a machine without
GPU, JAX and PyTorch. A file that is skipped as a whole (`pytest.importorskip` at its top) counts
like its tests. Continuous integration installs every library that such a line names, so none of
those reasons is on the list.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest

KNOWN = Path(__file__).with_name("known_skips.txt")
_unknown: list[str] = []


def known_reasons() -> list[re.Pattern[str]]:
    lines = KNOWN.read_text(encoding="utf-8").splitlines()
    return [re.compile(line) for line in lines if line.strip() and not line.startswith("#")]


def _note(report: pytest.TestReport | pytest.CollectReport) -> None:
    if report.outcome != "skipped" or not isinstance(report.longrepr, tuple):
        return
    reason = report.longrepr[2].removeprefix("Skipped: ")
    if not any(pattern.fullmatch(reason) for pattern in known_reasons()):
        _unknown.append(f"{report.nodeid}: {reason}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    _note(report)


def pytest_collectreport(report: pytest.CollectReport) -> None:
    _note(report)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if _unknown and session.exitstatus == 0 and not hasattr(session.config, "workerinput"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for line in _unknown:
        terminalreporter.write_line(f"UNEXPECTED SKIP {line}", red=True)
