"""Evaluation of finished runs: restoring a run, the suites, the report."""

__all__ = [
    "datasets",
    "figures",
    "fingerprints",
    "held_out",
    "image_files",
    "load_run",
    "progress",
    "report",
    "results",
    "suites",
]
