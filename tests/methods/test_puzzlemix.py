"""PuzzleMix: the authors' images and plans, the slow loops, and properties of labels, moves and weights."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import puzzlemix as slow

from jaxmix import arguments
from jaxmix import mix as mixing
from jaxmix.blocks.layouts import Layout, refine, transport_grid
from jaxmix.methods import puzzlemix as module
from jaxmix.warps import Blocks

pytestmark = pytest.mark.unoptimized

# One program for most tests: sides differ, and the blocks that move are smaller than those of the labels.
SHAPE, BLOCKS, SIDE = (4, 12, 18, 2), 3, 2
LAYOUT = Layout(BLOCKS, None, 4, 3)
puzzlemix = jax.jit(module.puzzlemix, static_argnames=("blocks", "transport", "transport_side"))
find_labels = jax.jit(module.labels, static_argnames="layout")
apply = jax.jit(mixing.apply)


@functools.partial(jax.jit, static_argnames="grids")
def rearranged(z, x, saliency, partner, grids):
    """Images blended by given labels: unmoved, and with the blocks of each grid moved; and the sources of these."""
    mix = mixing.pair(partner, 1 - z)
    sources = [module.sources(z, saliency, partner, jnp.float32(0.8), grid=grid) for grid in grids]
    moved = [mix._replace(warps=tuple(Blocks(source) for source in pair)) for pair in sources]
    return mix.weight, sources, [mixing.apply(one, x) for one in (mix, *moved)]


def images_of(shape=SHAPE, seed=0):
    return np.random.default_rng(seed).random(shape).astype(np.float32)


def maps(shape=SHAPE[:3], seed=1):
    """Few peaks, of two by two pixels, on low ground: blocks move."""
    size, height, width = shape
    peaks = np.random.default_rng(seed).random((size, height // 2, width // 2)) ** 30
    return (np.kron(peaks, np.ones((1, 2, 2))) + 0.001).astype(np.float32)


def mixed(seed, x=None, saliency=None, *, std=1.0, data_weight=0.5, blocks=BLOCKS, transport=True, transport_side=SIDE):
    """Hyper-parameters are traced: few programs for all tests."""
    x, saliency = images_of() if x is None else x, maps() if saliency is None else saliency
    static = {"blocks": blocks, "transport": transport, "transport_side": transport_side}
    return puzzlemix(jax.random.key(seed), x, saliency, std=std, data_weight=data_weight, **static)


def weights(*, smoothness=1.2, data=0.5, prior=0.2, distance=0.8, units=1.0):
    scalars = (np.float32(w) for w in (smoothness, data, prior, distance))
    return module.Weights(*scalars, np.full((1, 1, 1, 1), units, np.float32))


def shares(saliency):
    return saliency / saliency.sum((1, 2), keepdims=True)


def labels(share, saliency=None, partner=None, *, layout=LAYOUT, **costs):
    """z of the blocks of the images."""
    saliency = shares(maps() if saliency is None else saliency)
    partner = np.roll(np.arange(SHAPE[0]), 1) if partner is None else partner
    return np.asarray(find_labels(images_of(), saliency, partner, np.float32(share), weights(**costs), layout))


# Golden values: mixup_graph of snu-mllab/PuzzleMix @e2dbf3a. Pairs under which its integers overflow are left out.


def authors(golden, n):
    """Images, normalized maps and partners of all pairs as one batch, own ones first; and the authors' values."""
    numbers = golden(f"mixing/puzzle_n{n}")
    kept = ~numbers["overflow"]
    numbers = {k: v[kept] if v.ndim and len(v) == len(kept) else v for k, v in numbers.items()}
    pairs = len(numbers["z"])
    raw = np.concatenate([numbers["u8_1"], numbers["u8_2"]]) / np.float32(255)
    x = np.float32((raw - numbers["mean"]) / numbers["std"])
    partner = (np.arange(2 * pairs) + pairs) % (2 * pairs)
    return x, shares(np.concatenate([numbers["s1"], numbers["s2"]])), partner, numbers


def slow_except(*default, others):
    """The default cases, and others marked slow."""
    return [*default, *(pytest.param(other, marks=pytest.mark.slow) for other in others)]


@pytest.mark.parametrize("n", slow_except(4, others=(2, 8, 16)))
def test_moves_and_images_of_the_authors_labels_are_the_authors(golden, n):
    x, saliency, partner, numbers = authors(golden, n)
    z, pairs = np.concatenate([numbers["z"], 1 - numbers["z"]]).astype(np.float32), len(numbers["z"])
    grids = tuple(transport_grid(n, side, (32, 32)) for side in (None, 4))
    weight, sources, (blended, *moved) = rearranged(z, x, saliency, partner, grids)
    np.testing.assert_allclose(weight[:pairs, 0], numbers["label"], rtol=0, atol=1e-6)
    # Tolerance of the golden values: sums of two products of float32 values of up to 3.
    np.testing.assert_allclose(blended[:pairs], numbers["mixed_t0"], rtol=0, atol=1e-5)
    for name, grid, pair, images in zip(("tm1", "t4"), grids, sources, moved, strict=True):
        share = np.kron(numbers["z"], np.ones((1, grid[0] // n, grid[1] // n))).reshape(pairs, -1)
        for source, plan, visible in zip(pair, ("own", "par"), (share > 0, share < 1), strict=True):
            found = np.asarray(source[:pairs]).reshape(pairs, -1)
            assert ((found >= 0) == visible).all()
            sample, place = np.nonzero(visible)
            np.testing.assert_array_equal(numbers[f"plan_{plan}_{name}"][sample, found[visible]], place)
        np.testing.assert_allclose(images[:pairs], numbers[f"mixed_{name}"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("n", slow_except(4, others=(16,)))
def test_labels_of_the_authors_pairs_are_the_cheapest(golden, n):
    x, saliency, partner, numbers = authors(golden, n)
    share = np.float32(np.concatenate([1 - numbers["lam"], numbers["lam"]]))
    units = weights()._replace(units=np.float32(numbers["std"])[None, None, None])
    z = np.asarray(find_labels(x, saliency, partner, share, units, Layout(n, None, 4, 3)))[: len(numbers["z"])]
    assert np.isin(z, (0, 0.5, 1)).all()
    energies = [
        slow.energy(
            *(np.asarray(part[i], float) for part in (z, *(numbers[k] for k in ("A", "B", "prior", "wv", "wh"))))
        )
        for i in range(len(z))
    ]
    # E_opt is certified; costs of float32 images differ from those of the golden values by a few 1e-7.
    np.testing.assert_allclose(energies, numbers["E_opt"], rtol=0, atol=3e-6)


# The paper's example and limits.


def test_worked_example_without_data_term():
    saliency = np.float32([[[0.4, 0.3], [0.2, 0.1]], [[0.05, 0.15], [0.3, 0.5]]])
    for own_share in (0.5, 0.8):
        share, partner, x = np.float32([1 - own_share, own_share]), np.array([1, 0]), images_of((2, 4, 4, 1))
        z = find_labels(x, saliency, partner, share, weights(data=0.0), Layout(2, None, 4, 3))
        np.testing.assert_array_equal(z[0], [[1, 1], [0.5, 0]])
        np.testing.assert_array_equal(z[1], 1 - z[0])


def test_exchanging_the_images_exchanges_the_labels():
    partner = np.arange(4) ^ 1
    z = labels([0.3, 0.7, 0.55, 0.45], partner=partner)
    assert len(np.unique(z)) > 1
    np.testing.assert_array_equal(z, 1 - z[partner])


def test_at_shares_of_0_and_1_nothing_is_mixed():
    share = np.array([0.0, 1.0] * 2, np.float32)
    z = labels(share, maps() ** 2)
    np.testing.assert_array_equal(z, np.broadcast_to(1 - share[:, None, None], z.shape))
    assert len(np.unique(labels(share + 1e-6 - 2e-6 * share, maps() ** 2))) > 1


def test_with_uniform_saliency_shares_near_0_and_1_give_one_image_and_nothing_moves():
    uniform = np.ones(SHAPE[:3], np.float32)
    z = labels([1e-6, 1 - 1e-6] * 2, uniform)
    np.testing.assert_array_equal(z, np.broadcast_to(np.array([1.0, 0.0] * 2)[:, None, None], z.shape))
    _, mix = mixed(1, saliency=uniform)
    for warp, mask in zip(mix.warps, np.moveaxis(np.asarray(mix.mask), 1, 0), strict=True):
        visible = np.kron(mask, np.ones((1, 2, 3))) > 0  # 6 x 9 blocks move, 3 x 3 have labels
        np.testing.assert_array_equal(warp.source, np.where(visible, np.arange(54).reshape(6, 9), -1))


def test_hidden_peaks_move_to_the_nearest_visible_places():
    z = np.broadcast_to(np.float32([0.0, 0.0, 1.0, 1.0]), (2, 4, 4))
    saliency = np.full((2, 4, 4), 0.01, np.float32)
    saliency[0, 1, 0] = saliency[1, 2, 3] = 5
    x = np.zeros((2, 4, 4, 1), np.float32)
    _, [(own, other)], _ = rearranged(z, x, shares(saliency), np.array([1, 0]), ((4, 4),))
    np.testing.assert_array_equal(own[0], [[-1, -1, 2, 3], [-1, -1, 4, 7], [-1, -1, 10, 11], [-1, -1, 14, 15]])
    np.testing.assert_array_equal(other[0], [[0, 1, -1, -1], [4, 5, -1, -1], [8, 11, -1, -1], [12, 13, -1, -1]])


# The whole.


@pytest.mark.parametrize(
    ("shape", "blocks", "side"),
    [(SHAPE, BLOCKS, SIDE), pytest.param((6, 16, 16, 3), 4, None, marks=pytest.mark.slow)],
)
def test_images_and_label_weights_agree_with_the_slow_loops(shape, blocks, side):
    x, saliency = images_of(shape), maps(shape[:3])
    images, mix = mixed(2, x, saliency, blocks=blocks, transport_side=side)
    grid = mix.warps[0].source.shape[1:]
    assert grid == (tuple(length // side for length in shape[1:3]) if side else (blocks, blocks))
    z = np.asarray(mix.mask[:, 0], float)
    assert z.shape == (shape[0], blocks, blocks) and np.isin(z, (0, 0.5, 1)).all() and 0 < z.mean() < 1
    np.testing.assert_array_equal(mix.mask.sum(1), 1)
    np.testing.assert_array_equal(mix.weight[:, 0], z.mean((1, 2)).astype(np.float32))
    sources = np.stack([warp.source for warp in mix.warps]).reshape(2, shape[0], -1)
    assert ((sources >= 0) & (sources != np.arange(sources.shape[2]))).sum() > 2, "hardly a block moves"
    x, saliency = np.asarray(x, float), np.asarray(saliency, float)
    for i, j in zip(range(shape[0]), np.roll(np.arange(shape[0]), -1), strict=True):
        expected = slow.blend(x[i], x[j], z[i], (saliency[i], saliency[j]), grid, 0.8)
        np.testing.assert_allclose(images[i], expected, rtol=0, atol=1e-6)  # three roundings of values below 1


def structure(**options):
    """Shapes of the mask and of the sources, and warps that are None."""
    mix = jax.eval_shape(functools.partial(module.puzzlemix, **options), jax.random.key(0), images_of(), maps())[1]
    return mix.mask.shape, [warp and warp.source.shape for warp in mix.warps]


def test_masks_and_sources_have_the_resolution_of_the_finest_blocks():
    assert structure(blocks=3, transport=False) == ((4, 2, 3, 3), [None, None])
    assert structure(blocks=3) == ((4, 2, 3, 3), [(4, 3, 3)] * 2)
    assert structure(blocks=(2, 6)) == ((4, 2, 6, 6), [(4, 6, 6)] * 2)
    assert structure(blocks=(2, 3)) == ((4, 2, 6, 6), [(4, 6, 6)] * 2)
    assert structure(blocks=(2, 3), transport_side=1) == ((4, 2, 6, 6), [(4, 12, 18)] * 2)


def test_labels_are_refined_block_by_block():
    z = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    np.testing.assert_array_equal(refine(z, 4, 9), np.kron(z, np.ones((1, 2, 3))))


@pytest.mark.slow
def test_without_transport_no_block_moves():
    images, mix = mixed(2, transport=False)
    moved, same = mixed(2)
    assert mix.warps == (None, None)
    np.testing.assert_array_equal(mix.mask, same.mask)
    x = images_of()
    z = np.kron(np.asarray(mix.mask[:, 0]), np.ones((1, 4, 6), np.float32))[..., None]
    np.testing.assert_allclose(images, z * x + (1 - z) * np.roll(x, -1, 0), rtol=0, atol=1e-6)
    assert not np.array_equal(images, moved)


def test_of_several_numbers_of_blocks_one_is_drawn_for_every_batch_with_equal_chance(monkeypatch):
    """The layouts are solved by a stand-in that gives the number of blocks."""

    def solve(x, maps, partner, share, weights, layout, common):
        assert common[0] == 6
        return mixing.pair(partner, jnp.full((3, 1, 1), layout.blocks / 8, jnp.float32))

    monkeypatch.setattr(module, "_mix", solve)
    x, saliency = images_of((3, 6, 6, 1)), maps((3, 6, 6))

    def share_of(key):
        return module.puzzlemix(key, x, saliency, blocks=(2, 3), transport=False)[1].weight[:, 1]

    share = np.asarray(jax.jit(jax.vmap(share_of))(jax.random.split(jax.random.key(0), 400)))
    assert (share == share[:, :1]).all() and set(np.unique(share)) == {2 / 8, 3 / 8}
    assert abs((share[:, 0] == 2 / 8).mean() - 0.5) < 4 * 0.5 / np.sqrt(400)


@pytest.mark.slow
def test_a_drawn_number_of_blocks_gives_what_that_number_gives_at_the_finest_resolution():
    drawn, x, saliency = set(), images_of((6, 16, 16, 3)), maps((6, 16, 16))
    for seed in range(4):
        images, mix = mixed(seed, x, saliency, blocks=(2, 4), transport_side=None)
        assert mix.mask.shape == (6, 2, 4, 4) and all(warp.source.shape == (6, 4, 4) for warp in mix.warps)
        np.testing.assert_array_equal(images, apply(mix, x))
        alone = {n: np.asarray(mixed(seed, x, saliency, blocks=n, transport_side=None)[0]) for n in (2, 4)}
        # The same values in another program: a product and a sum are rounded once or twice.
        same = {n for n, image in alone.items() if np.allclose(images, image, rtol=0, atol=1e-6)}
        assert len(same) == 1
        drawn |= same
    assert drawn == {2, 4}


def test_colors_are_compared_in_units_of_0_to_1():
    x, std = np.round(images_of((2, 4, 4, 3)) * 255), np.float32([0.25, 0.2, 0.3])
    for batch, divided in (
        (x.astype(np.uint8), 1.0),
        (x / 255 / std, tuple(std)),
        (x / 255 / std, std),
        (x / 255 / 0.5, [0.5]),
        (x / 255 / 0.5, 0.5),
    ):
        found = batch.astype(np.float32) * np.asarray(arguments.color_scale(divided, batch))
        np.testing.assert_allclose(found, x / 255, rtol=3e-7)  # three roundings
    x = np.round(images_of() * 255)
    expected = mixed(3, x / 256, data_weight=1.0)[1].mask
    np.testing.assert_array_equal(mixed(3, x / 64, data_weight=1.0, std=0.25)[1].mask, expected)
    other = [mixed(seed, x / 256, data_weight=1.0, std=std)[1].mask for seed in range(8) for std in (1.0, 64.0)]
    assert any(not np.array_equal(*pair) for pair in zip(other[::2], other[1::2], strict=True))


def test_only_the_distribution_of_the_saliency_counts():
    fine = maps()
    expected, uniform = mixed(4, saliency=fine)[0], mixed(4, saliency=np.ones(SHAPE[:3], np.float32))[0]
    for same in (np.float32(1e20) * fine, np.float32(1e-20) * fine):
        np.testing.assert_array_equal(mixed(4, saliency=same)[0], expected)
    invalid = fine.copy()
    invalid[:, 0, 0] = np.nan
    for nothing in (0 * fine, invalid, -fine):
        np.testing.assert_array_equal(mixed(4, saliency=nothing)[0], uniform)
    assert not np.array_equal(expected, uniform)


@pytest.mark.slow
def test_coarser_maps_give_what_fine_ones_do():
    coarse = maps()[:, ::2, ::2]
    np.testing.assert_array_equal(mixed(4, saliency=coarse)[0], mixed(4)[0])


@pytest.mark.slow
def test_labels_have_the_number_of_levels_asked_for():
    z = labels(np.linspace(0.2, 0.8, 4), layout=Layout(6, None, 4, 5), prior=1.0) * 4
    assert set(z.ravel()) == set(range(5))


BATCH = np.ones((6, 16, 16, 3), np.float32)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"blocks": 3}, r"blocks is 3, which doesn't divide .* \(16, 16\).*pass one of \[1, 2, 4, 8, 16\]"),
        ({"blocks": (2, 5)}, r"blocks is 5, which doesn't divide"),
        ({"blocks": ()}, r"blocks is empty; wanted one number"),
        ({"blocks": 0}, r"blocks is 0; wanted 1 or more"),
        ({"blocks": 2.0}, r"blocks is 2.0; wanted a Python int"),
        (
            {"blocks": 2, "transport_side": 3},
            r"transport_side is 3, but one of 2 blocks is 8.*transport_side=1, or None",
        ),
        ({"levels": 1}, r"levels is 1; wanted 2 or more"),
        ({"neighbors": 0}, r"neighbors is 0; wanted 1 or more"),
        ({"smoothness": -1.0}, r"smoothness is -1.0; wanted a number from 0 to"),
        ({"data_weight": 1.5}, r"data_weight is 1.5; wanted a number from 0 to 1"),
        ({"prior_weight": -1.0}, r"prior_weight is -1.0"),
        ({"distance_weight": -1.0}, r"distance_weight is -1.0"),
        ({"std": 0.0}, r"std is 0.0; wanted a number above 0"),
        ({"std": (0.2, 0.3)}, r"std have shape \(2,\); wanted one value, or one for each of 3 channels"),
    ],
)
def test_what_is_out_of_range_says_what_was_wanted(options, message):
    with pytest.raises(ValueError, match=message):
        jax.eval_shape(functools.partial(module.puzzlemix, **options), jax.random.key(0), BATCH, BATCH[..., 0])
    with pytest.raises(ValueError, match=r"saliency has maps of 5 x 16, but the images are 16 x 16"):
        jax.eval_shape(module.puzzlemix, jax.random.key(0), BATCH, BATCH[:, :5, :, 0])
