"""LoadGen's summary, as its version 6 writes it."""

from __future__ import annotations

from edgecnn.benchmarking.passes.loadgen import parse

SUMMARY = """\
================================================
MLPerf Results Summary
================================================
SUT name : PySUT
Scenario : Server
Mode     : PerformanceOnly
Completed samples per second    : 7918.72
Result is : VALID
  Performance constraints satisfied : Yes
Early Stopping Result:
 * Run successful.

================================================
Additional Stats
================================================
Mean latency (ns)               : 73158
99.00 percentile latency (ns)   : 147640
"""


def test_names_and_numbers_are_read():
    found = parse(SUMMARY)
    assert found["Scenario"] == "Server"
    assert found["Result is"] == "VALID"
    assert found["Completed samples per second"] == 7918.72
    assert found["99.00 percentile latency (ns)"] == 147640


def test_headings_and_remarks_are_no_numbers():
    assert set(parse(SUMMARY)) == {
        "SUT name",
        "Scenario",
        "Mode",
        "Completed samples per second",
        "Result is",
        "Performance constraints satisfied",
        "Mean latency (ns)",
        "99.00 percentile latency (ns)",
    }
