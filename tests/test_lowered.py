"""What the programs of the public methods contain of operations that can cost more than arithmetic, and why.

`TABLE` has a row for every method: each kind of operation that its program for GPUs and TPUs may contain, with the
reason. A new method needs a row; a kind that a program no longer contains must leave its row. Nothing is compiled.
"""

import functools

import jax
import jax.numpy as jnp
import pytest
from lowered_text import count_operations, counts
from specimens import METHODS

import jaxmix

KEY = jax.ShapeDtypeStruct((), jax.random.key(0).dtype)
IMAGES = jax.ShapeDtypeStruct((4, 64, 48, 3), jnp.float32)
WITHOUT_MIX = {"augmix_views": jaxmix.augmix_views, "dropblock": jaxmix.dropblock}

PARTNER = {"gather": "the partners' images, whole rows of the batch"}
# Levels are looked up in a table, and a warp reads pixels anywhere.
POLICY = {
    "gather": "each level in its tone curve; the four pixels around each source point of a warp; bits of autocontrast",
    "scatter": "the histogram of equalize, 256 counts per channel",
}
NOISE = {
    "while": "31 bisections of FMix's threshold, in place of a sort of all pixels",
    "fft": "FMix's low-frequency images",
}
TABLE = {
    "attentivemix": {
        "gather": "the partners' images and maps; the value of the last cell taken",
        "sort": "the cells of a map by attention: a grid of the map's size, not of the pixels",
    },
    "augmix": POLICY,
    "augmix_views": POLICY,
    "autoaugment": POLICY,
    "comixup": {
        "while": "sweeps over outputs of the coordinate descent, the dynamic program over rows of blocks, and the "
        "Gamma variates of Dirichlet(2, ..)",
        "top_k": "the candidate labels of a block, the samples with most mass",
        "gather": "the partners' images; costs of the candidate labels",
        "scatter": "one output's labels are replaced in those of all",
    },
    "cutmix": PARTNER,
    "cutout": {},
    "dropblock": {},
    "fmix": PARTNER | NOISE,
    "gridmix": PARTNER,
    "gridmixup": PARTNER,
    "guidedmix": {
        "while": "the greedy pairing, b - 1 steps along one row of the distances",
        "gather": "the partners' images and maps; a row of the distances",
        "scatter": "the place of each step in the cycle, and the partner of each sample",
    },
    "mixup": PARTNER,
    "patch_gaussian": {},
    "patch_uniform": {},
    "pixmix": {
        "gather": POLICY["gather"] + "; a crop of a mixing image",
        "scatter": POLICY["scatter"],
    },
    "puzzlemix": {
        "while": "message passing along rows and columns of blocks until the labels settle; rounds of the transport",
        "gather": "the partners' images and maps; the blocks of each image in their new order",
        "scatter": "the block that each destination accepts",
    },
    "randaugment": POLICY,
    "random_autoaugment": POLICY,
    "randommix": PARTNER | NOISE | {"case": "one of four methods, sampled per batch"},
    "resizemix": {"gather": "the partners' images; the row and the column that each pixel of the box comes from"},
    "sage": {
        "while": "a sum over the nodes of the interpolation; exact scores, one shift after the other",
        "sort": "8 to 16 row numbers, so that of equal scores the first shift counts",
        "top_k": "the best shifts by approximate score",
        "gather": "the partners' images and maps, moved by the shift; scores of the best rows",
    },
    "saliencymix": {"gather": "the partners' images; the row and column of their peaks"},
    "smoothmix_c": PARTNER,
    "smoothmix_s": PARTNER,
    "snapmix": {
        "while": "Beta(5, 5) is sampled by rejection",
        "gather": "the partners' images, maps and boxes; rows and columns of the resized box",
    },
    "trivialaugment": POLICY,
}


def test_every_method_has_a_row():
    assert TABLE.keys() == METHODS.keys() | WITHOUT_MIX.keys(), "give the method a row: what it contains, and why"
    guessed = {name for name in jaxmix.__all__ if "key" in getattr(getattr(jaxmix, name), "__annotations__", {})}
    # Mixes what it is given, by the caller's gradient; makes a set of images, once.
    assert guessed - TABLE.keys() == {"adversarial", "mixing_images"}


@pytest.mark.parametrize("name", sorted(TABLE))
def test_programs_for_accelerators_contain_what_the_table_says(name):
    method = {**METHODS, **WITHOUT_MIX}[name]
    for platform, found in counts(method, ("cuda", "tpu"), KEY, IMAGES).items():
        assert found.keys() == TABLE[name].keys(), f"{platform}: {found}; name in the table what is needed, and why"


@pytest.mark.parametrize("name", ["cutmix", "smoothmix_c"])
def test_a_share_per_batch_gathers_nothing_but_the_partners(name):
    method = functools.partial(METHODS[name], per_batch=True)
    assert counts(method, ("tpu",), KEY, IMAGES) == {"tpu": {"gather": 1}}


def test_what_is_counted():
    """Loops, sorts, and branches that are a choice; not those between platforms."""

    def program(key, x):
        y = jax.lax.cond(x[0, 0, 0, 0] > 0, jnp.sin, jnp.cos, x)
        y = jnp.sort(jaxmix.platforms.form(y, cpu=jnp.exp, accelerator=jnp.log), 1)
        y = jax.lax.fori_loop(0, 3, lambda _, y: y * y, y)
        return y[:, jnp.argsort(y[0, :, 0, 0])].at[:, jnp.int32(0)].add(1.0), jax.lax.top_k(y, 2)

    found = counts(program, ("cuda",), KEY, IMAGES)["cuda"]
    assert found == {"while": 1, "case": 1, "sort": 2, "top_k": 1, "gather": 1, "scatter": 1}
    assert count_operations("") == {}
