"""`pytest --costs`: the CPU seconds and the compiled programs of the costliest files, test functions and tests.

CPU seconds are those of the process that runs the test and of the processes that it started and waited for, so a busy
machine changes them little. What a test compiles first is charged to it, also where later tests use it.
"""

import collections
import resource
import time
from typing import Any

import jax
import pytest

ROWS = 40
_compiled = {"programs": 0, "seconds": 0.0}


def _count(event: str, seconds: float, **_: Any) -> None:
    if event.endswith("backend_compile_duration"):
        _compiled["programs"] += 1
        _compiled["seconds"] += seconds


class Costs:
    """Measures in the process that runs a test; the report carries the costs to the one that prints them."""

    def __init__(self) -> None:
        self.last = self._now()
        self.tests: dict[str, tuple[float, ...]] = {}
        jax.monitoring.register_event_duration_secs_listener(_count)

    def _now(self) -> tuple[float, ...]:
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = time.process_time() + children.ru_utime + children.ru_stime
        return seconds, float(_compiled["programs"]), _compiled["seconds"]

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self, item, call):
        report = yield
        now = self._now()
        report.costs = [b - a for a, b in zip(self.last, now, strict=True)]
        self.last = now
        return report

    def pytest_runtest_logreport(self, report):
        costs = getattr(report, "costs", (0.0, 0.0, 0.0))
        earlier = self.tests.get(report.nodeid, (0.0, 0.0, 0.0))
        self.tests[report.nodeid] = tuple(a + b for a, b in zip(earlier, costs, strict=True))

    def pytest_terminal_summary(self, terminalreporter):
        if hasattr(terminalreporter.config, "workerinput"):
            return
        files, functions = (collections.defaultdict(lambda: (0.0, 0.0, 0.0)) for _ in range(2))
        for name, costs in self.tests.items():
            for table, group in ((files, "in all"), (files, name.split("::")[0]), (functions, name.split("[")[0])):
                table[group] = tuple(a + b for a, b in zip(table[group], costs, strict=True))
        for title, rows in (("files", files), ("test functions", functions), ("tests", self.tests)):
            terminalreporter.section(f"costs of the {ROWS} costliest {title}")
            terminalreporter.line("CPU seconds  programs  seconds compiling")
            for name, (cpu, programs, seconds) in sorted(rows.items(), key=lambda row: -row[1][0])[:ROWS]:
                terminalreporter.line(f"{cpu:11.1f} {programs:9.0f} {seconds:18.1f}  {name}")
