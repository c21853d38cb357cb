"""The evaluation of finished runs: reading a run, its tests, its report."""

__all__ = ["datasets", "figures", "load_run", "report", "suites"]
