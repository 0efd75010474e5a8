"""Names, at the end of a run, every test that did not run, and refuses to skip what is required.

`FEELBACK_REQUIRE=chromium,dataset` turns a skip for want of one of these into a failure: CI
installs the browser, so a skip there would be a hidden hole.
"""

import os
from collections import defaultdict

import pytest

_skipped: dict[str, list[str]] = defaultdict(list)


def required() -> frozenset[str]:
    """The markers whose tests may not be skipped."""
    return frozenset(filter(None, os.environ.get("FEELBACK_REQUIRE", "").split(",")))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    report = yield
    if report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        missing = required() & {mark.name for mark in item.iter_markers()}
        if missing:
            report.outcome = "failed"
            report.longrepr = f"skipped although {', '.join(missing)} is required: {reason}"
        else:
            _skipped[reason.removeprefix("Skipped: ")].append(item.nodeid)
    return report


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _skipped:
        terminalreporter.write_line("Every test ran; nothing was skipped.", green=True)
        return
    count = sum(map(len, _skipped.values()))
    terminalreporter.section(f"{count} tests did NOT run here", sep="!", yellow=True, bold=True)
    for reason, tests in sorted(_skipped.items()):
        terminalreporter.write_line(f"{reason}:", yellow=True)
        for test in tests:
            terminalreporter.write_line(f"  {test}")
