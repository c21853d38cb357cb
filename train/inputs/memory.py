"""How much memory is free, for what is to be kept in it."""

import os

__all__ = ["available", "require"]


def available() -> int | None:
    """The bytes of memory that are free for a program, or None where the system doesn't say."""
    try:
        with open("/proc/meminfo") as file:
            found = [line.split() for line in file if line.startswith("MemAvailable:")]
        return int(found[0][1]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return None


def require(needed: int, what: str, advice: str) -> None:
    """Raises ValueError where `what` needs more than half of the memory that is free; the rest is for the training."""
    free = available()
    if free is not None and needed > free // 2:
        raise ValueError(
            f"{what} need {needed / 1e9:,.1f} GB of memory; wanted at most half of the {free / 1e9:,.1f} GB that are "
            f"free. {advice}"
        )
