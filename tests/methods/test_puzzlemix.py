"""PuzzleMix: the authors' pictures and plans, the slow loops, and what must hold for labels, moves and weights."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import puzzlemix as slow

from jaxmix import mix as mixing
from jaxmix.methods import puzzlemix as module
from jaxmix.saliency import normalize
from jaxmix.warps import Blocks

SHAPE = (6, 16, 16, 3)
puzzlemix = jax.jit(module.puzzlemix, static_argnames=("blocks", "transport", "transport_side"))
fill = jax.jit(module.fill, static_argnames=("blocks", "neighbors", "levels"))
move = jax.jit(module.move, static_argnames="grid")
apply = jax.jit(mixing.apply)


def pictures(shape=SHAPE, seed=0):
    return jnp.asarray(np.random.default_rng(seed).random(shape), jnp.float32)


def maps(shape=SHAPE[:3], seed=1):
    """Few peaks, of two by two pixels, on low ground: blocks move."""
    size, height, width = shape
    peaks = np.random.default_rng(seed).random((size, height // 2, width // 2)) ** 30
    return jnp.asarray(np.kron(peaks, np.ones((1, 2, 2))) + 0.001, jnp.float32)


def mixed(seed, x=None, saliency=None, *, std=1.0, data_weight=0.5, blocks=4, transport=True, transport_side=None):
    """Hyper-parameters are traced: few programs for all tests."""
    x, saliency = pictures() if x is None else x, maps() if saliency is None else saliency
    static = {"blocks": blocks, "transport": transport, "transport_side": transport_side}
    return puzzlemix(jax.random.key(seed), x, saliency, std=std, data_weight=data_weight, **static)


def weights(*, smoothness=1.2, data=0.5, prior=0.2, distance=0.8, units=1.0):
    return module.Weights(*(jnp.float32(w) for w in (smoothness, data, prior, distance)), jnp.full((1, 1, 1, 1), units))


def labels(share, saliency=None, partner=None, *, levels=3, **costs):
    """z of 4 x 4 blocks of the six pictures."""
    saliency = maps() if saliency is None else saliency
    partner = jnp.roll(jnp.arange(6), 1) if partner is None else partner
    z = fill(pictures(), normalize(saliency), partner, share, weights(**costs), blocks=4, neighbors=4, levels=levels)
    return np.asarray(z)


# Golden numbers: mixup_graph of snu-mllab/PuzzleMix @e2dbf3a. Pairs under which its integers overflow are left out.


def authors(golden, n):
    """Pictures, normalized maps and partners of all pairs as one batch, own ones first; and the authors' numbers."""
    numbers = golden(f"mixing/puzzle_n{n}")
    kept = ~numbers["overflow"]
    numbers = {k: v[kept] if v.ndim and len(v) == len(kept) else v for k, v in numbers.items()}
    pairs = len(numbers["z"])
    raw = np.concatenate([numbers["u8_1"], numbers["u8_2"]]) / np.float32(255)
    x = jnp.asarray((raw - numbers["mean"]) / numbers["std"])
    partner = jnp.asarray((np.arange(2 * pairs) + pairs) % (2 * pairs))
    return x, normalize(jnp.asarray(np.concatenate([numbers["s1"], numbers["s2"]]))), partner, numbers


@pytest.mark.parametrize("n", [2, 4, 8, 16])
def test_moves_and_pictures_of_the_authors_labels_are_the_authors(golden, n):
    x, saliency, partner, numbers = authors(golden, n)
    z, pairs = jnp.asarray(np.concatenate([numbers["z"], 1 - numbers["z"]])), len(numbers["z"])
    mix = mixing.pair(partner, 1 - z)
    np.testing.assert_allclose(mix.weight[:pairs, 0], numbers["label"], rtol=0, atol=1e-6)
    # Tolerance of the golden numbers: sums of two products of float32 numbers of up to 3.
    np.testing.assert_allclose(apply(mix, x)[:pairs], numbers["mixed_t0"], rtol=0, atol=1e-5)
    for name, side in (("tm1", None), ("t4", 4)):
        grid = module._moves(n, side, (32, 32))
        sources = move(z, saliency, partner, jnp.float32(0.8), grid=grid)
        share = np.kron(numbers["z"], np.ones((1, grid[0] // n, grid[1] // n))).reshape(pairs, -1)
        for source, plan, visible in zip(sources, ("own", "par"), (share > 0, share < 1), strict=True):
            found = np.asarray(source[:pairs]).reshape(pairs, -1)
            assert ((found >= 0) == visible).all()
            pair, place = np.nonzero(visible)
            np.testing.assert_array_equal(numbers[f"plan_{plan}_{name}"][pair, found[visible]], place)
        moved = mix._replace(warps=tuple(Blocks(source) for source in sources))
        np.testing.assert_allclose(apply(moved, x)[:pairs], numbers[f"mixed_{name}"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("n", [4, 16])
def test_labels_of_the_authors_pairs_are_the_cheapest(golden, n):
    x, saliency, partner, numbers = authors(golden, n)
    share = jnp.asarray(np.concatenate([1 - numbers["lam"], numbers["lam"]]), jnp.float32)
    units = weights()._replace(units=jnp.asarray(numbers["std"])[None, None, None])
    z = np.asarray(fill(x, saliency, partner, share, units, blocks=n, neighbors=4, levels=3))[: len(numbers["z"])]
    assert np.isin(z, (0, 0.5, 1)).all()
    energies = [
        slow.energy(
            *(np.asarray(part[i], float) for part in (z, *(numbers[k] for k in ("A", "B", "prior", "wv", "wh"))))
        )
        for i in range(len(z))
    ]
    # E_opt is certified; costs of float32 pictures differ from those of the golden numbers by a few 1e-7.
    np.testing.assert_allclose(energies, numbers["E_opt"], rtol=0, atol=3e-6)


# The paper's example and limits.


@pytest.mark.parametrize("own_share", [0.5, 0.8])
def test_worked_example_without_data_term(own_share):
    saliency = jnp.array([[[0.4, 0.3], [0.2, 0.1]], [[0.05, 0.15], [0.3, 0.5]]])
    share, partner, x = jnp.array([1 - own_share, own_share]), jnp.array([1, 0]), pictures((2, 4, 4, 1))
    z = fill(x, saliency, partner, share, weights(data=0.0), blocks=2, neighbors=4, levels=3)
    np.testing.assert_array_equal(z[0], [[1, 1], [0.5, 0]])
    np.testing.assert_array_equal(z[1], 1 - z[0])


def test_exchanging_the_pictures_exchanges_the_labels():
    partner = np.arange(6) ^ 1
    z = labels(jnp.array([0.3, 0.7, 0.55, 0.45, 0.9, 0.1]), partner=jnp.asarray(partner))
    assert len(np.unique(z)) > 1
    np.testing.assert_array_equal(z, 1 - z[partner])


def test_at_shares_of_0_and_1_there_is_nothing_to_choose():
    share = np.array([0.0, 1.0] * 3, np.float32)
    z = labels(jnp.asarray(share), maps() ** 2)
    np.testing.assert_array_equal(z, np.broadcast_to(1 - share[:, None, None], z.shape))
    assert len(np.unique(labels(jnp.asarray(share + 1e-6 - 2e-6 * share), maps() ** 2))) > 1


def test_with_uniform_saliency_shares_near_0_and_1_give_one_picture_and_nothing_moves():
    uniform = jnp.ones(SHAPE[:3])
    z = labels(jnp.array([1e-6, 1 - 1e-6] * 3), uniform)
    np.testing.assert_array_equal(z, np.broadcast_to(np.array([1.0, 0.0] * 3)[:, None, None], z.shape))
    _, mix = mixed(1, saliency=uniform)
    for warp, mask in zip(mix.warps, np.moveaxis(np.asarray(mix.mask), 1, 0), strict=True):
        np.testing.assert_array_equal(warp.source, np.where(mask > 0, np.arange(16).reshape(4, 4), -1))


def test_hidden_peaks_move_to_the_nearest_places_where_they_are_seen():
    z = jnp.broadcast_to(jnp.array([0.0, 0.0, 1.0, 1.0]), (2, 4, 4))
    saliency = normalize(jnp.full((2, 4, 4), 0.01).at[0, 1, 0].set(5).at[1, 2, 3].set(5))
    own, other = move(z, saliency, jnp.array([1, 0]), jnp.float32(0.8), grid=(4, 4))
    np.testing.assert_array_equal(own[0], [[-1, -1, 2, 3], [-1, -1, 4, 7], [-1, -1, 10, 11], [-1, -1, 14, 15]])
    np.testing.assert_array_equal(other[0], [[0, 1, -1, -1], [4, 5, -1, -1], [8, 11, -1, -1], [12, 13, -1, -1]])


# The whole.


@pytest.mark.parametrize(("shape", "blocks", "side"), [(SHAPE, 4, None), ((4, 12, 18, 2), 3, 2)])
def test_pictures_and_label_weights_agree_with_the_slow_loops(shape, blocks, side):
    x, saliency = pictures(shape), maps(shape[:3])
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
        np.testing.assert_allclose(images[i], expected, rtol=0, atol=1e-6)  # three roundings of numbers below 1


def test_without_transport_no_block_moves():
    images, mix = mixed(2, transport=False)
    moved, same = mixed(2)
    assert mix.warps == (None, None)
    np.testing.assert_array_equal(mix.mask, same.mask)
    x = np.asarray(pictures())
    z = np.kron(np.asarray(mix.mask[:, 0]), np.ones((1, 4, 4), np.float32))[..., None]
    np.testing.assert_allclose(images, z * x + (1 - z) * np.roll(x, -1, 0), rtol=0, atol=1e-6)
    assert not np.array_equal(images, moved)


def test_of_several_numbers_of_blocks_one_is_drawn_for_every_batch_each_alike():
    x, saliency = pictures((3, 6, 6, 1)), maps((3, 6, 6))

    def mask_of(key):
        return module.puzzlemix(key, x, saliency, blocks=(2, 3), transport=False)[1].mask

    jitted = jax.jit(mask_of)
    z = np.stack([jitted(jax.random.key(seed))[:, 0] for seed in range(300)])
    assert z.shape == (300, 3, 6, 6)
    np.testing.assert_array_equal(mask_of(jax.random.key(0))[:, 0], z[0])
    cut = {n: z.reshape(300, 3, n, 6 // n, n, 6 // n) for n in (2, 3)}
    fits = {n: (blocks == blocks[:, :, :, :1, :, :1]).all((1, 2, 3, 4, 5)) for n, blocks in cut.items()}
    assert (fits[2] | fits[3]).all()
    # Where all three pictures take one label for all their blocks it can't be told.
    only = [(fits[2] & ~fits[3]).sum(), (fits[3] & ~fits[2]).sum()]
    assert min(only) > 50 and abs(only[0] - only[1]) < 4 * np.sqrt(sum(only))


def test_a_drawn_number_of_blocks_gives_what_that_number_gives_at_the_finest_resolution():
    numbers = set()
    for seed in range(4):
        images, mix = mixed(seed, blocks=(2, 4))
        assert mix.mask.shape == (6, 2, 4, 4) and all(warp.source.shape == (6, 4, 4) for warp in mix.warps)
        np.testing.assert_array_equal(images, apply(mix, pictures()))
        alone = {n: np.asarray(mixed(seed, blocks=n)[0]) for n in (2, 4)}
        # The same numbers in another program: a product and a sum are rounded once or twice.
        same = {n for n, image in alone.items() if np.allclose(images, image, rtol=0, atol=1e-6)}
        assert len(same) == 1
        numbers |= same
    assert numbers == {2, 4}


def test_colors_are_compared_in_units_of_0_to_1():
    x, std = jnp.round(pictures() * 255), jnp.array([0.25, 0.2, 0.3])
    for batch, divided in (
        (x.astype(jnp.uint8), 1.0),
        (x / 255 / std[None, None, None], tuple(std)),
        (x / 255 / std[None, None, None], std),
        (x / 255 / 0.5, [0.5]),
        (x / 255 / 0.5, 0.5),
    ):
        found = batch.astype(jnp.float32) * module.units(divided, batch)
        np.testing.assert_allclose(found, x / 255, rtol=3e-7)  # three roundings
    expected = mixed(3, x / 256, data_weight=1.0)[1].mask
    np.testing.assert_array_equal(mixed(3, x / 64, data_weight=1.0, std=0.25)[1].mask, expected)
    assert not np.array_equal(mixed(3, x / 256, data_weight=1.0, std=4.0)[1].mask, expected)


def test_only_the_distribution_of_the_saliency_counts():
    coarse = maps((6, 8, 8))
    fine = jnp.repeat(jnp.repeat(coarse, 2, 1), 2, 2)
    expected, uniform = mixed(4, saliency=fine)[0], mixed(4, saliency=jnp.ones(SHAPE[:3]))[0]
    for same in (1e20 * fine, 1e-20 * fine, coarse):
        np.testing.assert_array_equal(mixed(4, saliency=same)[0], expected)
    for nothing in (0 * fine, fine.at[:, 0, 0].set(jnp.nan), -fine):
        np.testing.assert_array_equal(mixed(4, saliency=nothing)[0], uniform)
    assert not np.array_equal(expected, uniform)


def test_labels_have_as_many_levels_as_asked_for():
    z = labels(jnp.linspace(0.2, 0.8, 6), levels=5, prior=1.0) * 4
    assert set(z.ravel()) == set(range(5))


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
        ({"std": (0.2, 0.3)}, r"std have shape \(2,\); wanted one number, or one for each of 3 channels"),
    ],
)
def test_what_is_out_of_range_says_what_was_wanted(options, message):
    with pytest.raises(ValueError, match=message):
        module.puzzlemix(jax.random.key(0), pictures(), maps(), **options)
    with pytest.raises(ValueError, match=r"saliency has maps of 5 x 16, but the images are 16 x 16"):
        module.puzzlemix(jax.random.key(0), pictures(), jnp.ones((6, 5, 16)))
