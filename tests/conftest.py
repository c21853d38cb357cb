"""Strict settings for every test: eight devices, no silent promotion, no reused key, no warning."""

import os
import pathlib

os.environ["JAX_PLATFORMS"] = os.environ.get("JAX_PLATFORMS", "cpu")
os.environ["XLA_FLAGS"] = os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"

from jaxtyping import install_import_hook

install_import_hook([f"jaxmix.{name}" for name in ("masks", "pairs", "warps")], "beartype.beartype")

import jax
import numpy as np
import pytest

jax.config.update("jax_numpy_dtype_promotion", "strict")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)

GOLDEN = pathlib.Path(__file__).parents[2] / "shared" / "golden"


@pytest.fixture(scope="session")
def golden():
    """Reads numbers of the authors' code, `golden("mixing/cutmix_box")`; a clone without them skips those tests."""

    def read(name):
        path = GOLDEN / f"{name}.npz"
        if not path.exists():
            pytest.skip(f"no golden numbers at {path}")
        with np.load(path, allow_pickle=False) as arrays:
            return dict(arrays)

    return read
