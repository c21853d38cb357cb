"""What XLA is told in processes that tests start and that compile many programs: what it is told in the tests."""

import os

__all__ = ["FUSION", "xla_flags"]

FUSION = "xla_cpu_use_fusion_emitters"


def xla_flags() -> str:
    """The value of XLA_FLAGS, on one device: this process may have made up others."""
    flags = os.environ.get("XLA_FLAGS", "").split()
    return " ".join(flag for flag in flags if "device_count" not in flag)
