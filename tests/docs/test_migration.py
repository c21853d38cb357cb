"""Every expression of jaxmix in the tables of docs/migration.md runs, and does what its row says."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pages
import pytest

import jaxmix

pytestmark = pytest.mark.unoptimized
PAGE = pages.ROOT / "docs" / "migration.md"


def expressions():
    """The code of the second column of every table, with the line it is on."""
    for number, line in enumerate(PAGE.read_text().splitlines(), 1):
        cells = re.split(r"(?<!\\)\|", line)
        if line.startswith("|") and len(cells) == 5 and not set(cells[2]) <= set("-"):
            yield from ((number, code) for code in re.findall(r"`([^`]+)`", cells[2]))


def test_every_table_has_expressions_in_its_second_column():
    found = list(expressions())
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| `") or line.startswith("| its")]
    assert len({number for number, _ in found}) >= len(rows) > 40


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        found, _ = pages.run(PAGE, tmp_path_factory.mktemp("page"), patch)
    return found


@pytest.mark.parametrize("expression", dict.fromkeys(code for _, code in expressions()))
def test_expressions_of_the_tables_run(expression, names):
    arrays = {name: value for name, value in names.items() if isinstance(value, jax.Array)} | {"key": jax.random.key(0)}
    is_method = False

    @jax.jit  # else each operation is a program of its own, and they take twice as long to compile
    def called(arrays):
        nonlocal is_method
        value = eval(expression, names | arrays)
        is_method = callable(value)
        return value(arrays["key"], arrays["images"]) if is_method else value

    with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
        shapes = jax.eval_shape(called, arrays)
        if is_method:  # a method: its shapes say that its options are taken
            images, mix = shapes
            assert images.shape == names["images"].shape and isinstance(mix, jaxmix.Mix)
        else:
            value = called(arrays)
            leaves = [leaf for leaf in jax.tree.leaves(value) if not jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)]
            assert all(jnp.isfinite(leaf).all() for leaf in leaves)


def test_label_smoothing_is_that_of_timm(names):
    share = 0.1
    on, off = 1 - share + share / 10, share / 10  # timm smooths one-hot labels before it mixes them
    lam, labels = np.asarray(names["mix"].weight[:, 0]), np.asarray(names["labels"])
    smooth = np.full((8, 10), off, np.float32)
    smooth[np.arange(8), labels] = on
    expected = lam[:, None] * smooth + (1 - lam[:, None]) * smooth[np.asarray(names["mix"].source[:, 1])]
    np.testing.assert_allclose(names["optax"].smooth_labels(names["soft"], share), expected, rtol=1e-6)
