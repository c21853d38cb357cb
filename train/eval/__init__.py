"""Evaluation of finished runs: restoring a run, the suites, the report."""

__all__ = ["datasets", "figures", "load_run", "report", "results", "suites"]
