"""AutoAugment, RandAugment, TrivialAugment: torchvision's operations, ranges and policies, drawn as they should be."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from reference import pixels as slow
from scipy import stats

from jaxmix.methods import autoaugment as aa
from jaxmix.methods import randaugment as ra
from jaxmix.methods import trivialaugment as ta
from jaxmix.pixels import affine, operations, packing, policies, random_operations, search_spaces
from jaxmix.pixels.operation_chains import Resampling, apply_chains
from jaxmix.pixels.policies import Step

pytestmark = pytest.mark.unoptimized

SPACES = {
    "AutoAugment": search_spaces.autoaugment(10),
    "RandAugment": search_spaces.autoaugment(31),
    "TrivialAugmentWide": search_spaces.trivialaugment_wide(31),
}
WARPS = {"nearest": affine.nearest, "bilinear": affine.bilinear}
POLICIES = {"CIFAR10": policies.CIFAR10, "IMAGENET": policies.IMAGENET, "SVHN": policies.SVHN}
METHODS = (aa.autoaugment, ra.randaugment, ta.trivialaugment)
SHAPE = (6, 14, 12, 3)


def name_of(title):
    """The operation that torchvision and timm write so."""
    return {"AutoContrast": "autocontrast"}.get(title) or "".join(
        f"_{letter.lower()}" if letter.isupper() and k else letter.lower() for k, letter in enumerate(title)
    )


def images_of(shape=SHAPE):
    return np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)


def off(made, expected):
    return np.abs(np.asarray(made).astype(int) - np.asarray(expected).astype(int))


NAMED = {
    "autocontrast": operations.AUTOCONTRAST, "equalize": operations.EQUALIZE, "invert": operations.INVERT,
    "posterize": operations.POSTERIZE, "solarize": operations.SOLARIZE, "solarize_add": operations.SOLARIZE_ADD,
    "color": operations.COLOR, "contrast": operations.CONTRAST, "brightness": operations.BRIGHTNESS,
    "sharpness": operations.SHARPNESS, "rotate": operations.ROTATE, "shear_x": operations.SHEAR_X,
    "shear_y": operations.SHEAR_Y, "translate_x": operations.TRANSLATE_X, "translate_y": operations.TRANSLATE_Y,
    "identity": operations.IDENTITY, "shift_x": operations.SHIFT_X, "shift_y": operations.SHIFT_Y,
}  # fmt: skip


@functools.partial(jax.jit, static_argnames="frame")
def run_all(x, index, amount, frame):
    return apply_chains(tuple(NAMED.values()), x, index[:, None, None], amount[:, None, None], frame)[:, 0]


def amounted(x, index, amount, frame, cases=400):
    """One operation of NAMED for each image, filled up to a number of cases, so that all of them are one program."""
    given = (np.asarray(x), np.int32(index), np.float32(amount))
    padded = (np.concatenate([one, np.zeros((cases - len(one), *one.shape[1:]), one.dtype)]) for one in given)
    return np.asarray(run_all(*padded, frame))[: len(x)]


@functools.partial(jax.jit, static_argnames=("family", "side"))
def planned(move, level, negative, family, side):
    """Amounts of operations of a family at given levels."""
    sampled = random_operations.Sampled(*(one[:, None, None] for one in (move, level, negative)))
    return random_operations.indices_and_amounts(sampled, list(SPACES[family].values()), side, side)[2].ravel()


@pytest.mark.parametrize("interpolation", WARPS)
@pytest.mark.parametrize("side", [32, pytest.param(64, marks=pytest.mark.slow)])
def test_operations_are_torchvisions(golden, side, interpolation):
    # _apply_op of torchvision 0.28 on PIL images.
    numbers = golden(f"robustness/aa_torchvision_{side}")
    ops, families = np.array([name_of(op) for op in numbers["case_op"]]), numbers["case_family"]
    index, amount, listed = np.zeros(len(ops), np.int32), np.zeros(len(ops)), list(NAMED.values())
    for family, space in SPACES.items():
        which = families == family
        index[which] = [listed.index(space[op].operation) for op in ops[which]]
        move = np.int32([list(space).index(op) for op in ops[which]])
        level = np.float32(numbers["case_bin"][which])
        amount[which] = planned(move, level, numbers["case_negate"][which], family, side)
    which = (numbers["case_interp"] == interpolation) & np.isin(families, list(SPACES))
    x, ops = numbers["images"][numbers["case_image"][which]], ops[which]
    made = amounted(x, index[which], amount[which], Resampling(WARPS[interpolation]))
    wrong = off(made, numbers["case_out"][which])
    exact = (interpolation == "nearest") | ~np.isin(ops, ("rotate", "shear_x", "shear_y"))
    assert not wrong[exact].any()
    # float32 places, as in tests/pixels; slopes of two decimals put many values of these few cases on integers.
    assert wrong.max(initial=0) <= 1
    for family in SPACES:
        inexact = ~exact & (families[which] == family)
        assert (wrong[inexact] > 0).sum() <= 1e-2 * wrong[inexact].size


@functools.partial(jax.jit, static_argnames="family")
def ranges(family):
    """Amounts of all levels of each operation, by side and name."""
    level = jnp.arange(31, dtype=jnp.float32)
    return {
        side: {name: jnp.broadcast_to(move.amount(level, side), 31) for name, move in SPACES[family].items()}
        for side in (32, 64)
    }


@pytest.mark.parametrize("family", SPACES)
@pytest.mark.parametrize("side", [32, 64])
def test_ranges_are_torchvisions(golden, side, family):
    numbers = golden(f"robustness/aa_torchvision_{side}")
    seen, amounts = set(), ranges(family)[side]
    for key in (key for key in numbers if key.startswith(f"range_{family}_")):
        name = name_of(key.split("_")[2])
        seen.add(name)
        expected = numbers[key]
        assert SPACES[family][name].signed == bool(numbers[f"signed_{family}_{key.split('_')[2]}"]), name
        if expected.ndim:
            made = np.asarray(amounts[name])[: len(expected)]
            # Shifts count to the left here, and are whole.
            expected = -np.trunc(expected) if name.startswith("translate") else expected
            np.testing.assert_allclose(made, expected, rtol=0, atol=0, err_msg=name)
    extra = {"AutoAugment": {"identity"}, "RandAugment": {"invert"}, "TrivialAugmentWide": {"invert"}}
    assert seen == set(SPACES[family]) - extra[family]


@pytest.mark.parametrize("name", POLICIES)
def test_policies_are_torchvisions(golden, name):
    numbers = golden("robustness/aa_policies")
    for pair, ops, ps, magnitudes in zip(
        POLICIES[name], *(numbers[f"tv_{name}_{key}"] for key in ("ops", "prob", "mag")), strict=True
    ):
        for step, op, p, magnitude in zip(pair, ops, ps, magnitudes, strict=True):
            # -1 for operations without a magnitude.
            assert tuple(step) == (name_of(op), p, max(magnitude, 0))


def single_cases(golden, file):
    numbers = golden(f"robustness/{file}")
    for k, title in enumerate(numbers["case_op"]):
        yield str(title), k, numbers


ENHANCE = ("color", "contrast", "brightness", "sharpness")


def original(title, level, negative):
    """The authors' amount of a level in their CIFAR code."""
    name = name_of(title)
    sign = -1 if negative else 1
    amounts = {
        "rotate": sign * int(3 * level), "shear_x": sign * 0.03 * level, "shear_y": sign * 0.03 * level,
        "translate_x": sign * level, "translate_y": sign * level, "posterize": 4 - int(0.4 * level),
        "solarize": 256 - int(25.6 * level), **dict.fromkeys(ENHANCE, 0.18 * level + 0.1),
    }  # fmt: skip
    return name, amounts.get(name, 0)


def timm(title, amount):
    """timm's names for the same operations; its desaturation counts from the other end."""
    if title == "Desaturate":
        return "color", 1 - amount
    name = name_of(title).removesuffix("_increasing").removesuffix("_original").removesuffix("_rel")
    return name, 0 if np.isnan(amount) else amount


def test_nearest_operations_are_those_of_autoaugments_authors(golden):
    # tensorflow/models research/autoaugment @191b1f0: RGBA images, so what lies outside isn't valid.
    numbers = golden("robustness/aa_original_tf_32")
    cases = [original(*case) for case in zip(*(numbers[f"case_{k}"] for k in ("op", "level", "negate")), strict=True)]
    index = np.int32([list(NAMED).index(name) for name, _ in cases])
    x = numbers["images"][numbers["case_image"]]
    made = amounted(x, index, [amount for _, amount in cases], Resampling(affine.nearest))
    valid = numbers["case_valid"][..., None]
    np.testing.assert_array_equal(made * valid, numbers["case_out_rgb"] * valid)
    warped = np.isin([name for name, _ in cases], slow.WARPS)
    assert not np.where(valid, 0, made)[warped].any()  # and there it is black


def test_bilinear_operations_on_grey_are_timms(golden):
    numbers = golden("robustness/aa_timm_32")
    cases = [timm(title, amount) for title, amount in zip(numbers["case_op"], numbers["case_arg"], strict=True)]
    index = np.int32([list(NAMED).index(name) for name, _ in cases])
    amounts = np.array(
        [amount * (32 if "Rel" in title else 1) for title, (_, amount) in zip(numbers["case_op"], cases, strict=True)]
    )
    frame = Resampling(affine.bilinear, int(packing.grey_pixel(128, 3)))
    wrong = off(amounted(numbers["images"][numbers["case_image"]], index, amounts, frame), numbers["case_out"])
    warped = np.isin([name for name, _ in cases], slow.WARPS)
    assert not wrong[~warped].any()
    assert wrong.max() <= 1  # float32 places
    assert not wrong[
        warped & (amounts == np.round(amounts)) & np.isin([name for name, _ in cases], slow.WARPS[3:])
    ].any()


def test_nearest_places_are_those_of_fixed_point():
    generator, names = np.random.default_rng(1), ["rotate", "shear_x", "shear_y", "translate_x", "translate_y"]
    x = np.tile(images_of((12, 17, 23, 3)), (5, 1, 1, 1))
    ops = np.repeat(names, 12)
    amounts = generator.uniform(-1, 1, 60) * [{"rotate": 180, "shear_x": 1, "shear_y": 1}.get(op, 9) for op in ops]
    index = [list(NAMED).index(op) for op in ops]
    made = amounted(x, index, amounts, Resampling(affine.nearest, 7), cases=60)
    cases = [(op, one, np.float32(amount)) for op, one, amount in zip(ops, x, amounts, strict=True)]
    wrong = (made != [slow.operation(op, one, amount, slow.nearest) for op, one, amount in cases]).any(-1)
    outside = np.array(
        [slow.operation(op, np.ones_like(one), amount, slow.nearest)[..., 0] == 0 for op, one, amount in cases]
    )
    assert outside.any() and (made[outside & ~wrong] == [7, 0, 0]).all()
    # float32 gives the angle's sine to 6e-8, so a place may end on the other side of 1/65536 pixel: seldom.
    for name in names:
        assert (wrong & ~outside)[ops == name].mean() <= 1e-3


def likely(counts, probabilities=None):
    """Whether such counts come up more often than once in 1,000 times."""
    counts = np.asarray(counts)
    expected = None if probabilities is None else counts.sum() * np.asarray(probabilities)
    return stats.chisquare(counts, expected).pvalue > 1e-3


def test_sub_policies_come_up_equally_often_and_their_steps_with_their_probabilities():
    # Sub-policies that their two magnitudes tell apart.
    policy = tuple((Step("shear_x", 0.3 + 0.05 * k, k), Step("color", 1.0, 9 - k)) for k in range(10))
    drawn = jax.tree.map(np.asarray, jax.jit(aa.sample, static_argnums=(1, 2))(jax.random.key(0), 20_000, policy))
    assert drawn.operation.shape == drawn.level.shape == drawn.negative.shape == (20_000, 1, 2)
    first, second = drawn.level[:, 0].T.astype(int)
    np.testing.assert_array_equal(first + second, 9)
    counts = np.bincount(first, minlength=10)
    assert likely(counts)
    assert set(np.unique(drawn.operation[:, 0, 0])) == {-1, 1} and set(np.unique(drawn.operation[:, 0, 1])) == {7}
    for k in range(10):
        done = (drawn.operation[first == k, 0, 0] == 1).sum()
        assert likely([done, counts[k] - done], [0.3 + 0.05 * k, 0.7 - 0.05 * k])
    assert likely(np.bincount((2 * drawn.negative[:, 0, 0] + drawn.negative[:, 0, 1]), minlength=4))


def test_steps_of_probability_0_are_never_done_and_of_1_always():
    policy = ((Step("invert", 0, 0), Step("solarize", 1, 5)),)
    drawn = jax.jit(aa.sample, static_argnums=(1, 2))(jax.random.key(1), 5000, policy)
    names = list(search_spaces.autoaugment(10))
    assert (drawn.operation[:, 0, 0] == -1).all() and (drawn.operation[:, 0, 1] == names.index("solarize")).all()


@pytest.mark.parametrize("number", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_randaugment_draws_14_operations_equally_often(number):
    drawn = jax.tree.map(np.asarray, jax.jit(ra.sample, static_argnums=(1, 2))(jax.random.key(2), 8000, number, 9))
    assert drawn.operation.shape == (8000, 1, number) and (drawn.level == 9).all()
    assert likely(np.bincount(drawn.operation.ravel(), minlength=14))
    assert likely(np.bincount(drawn.negative.ravel()))
    assert likely(np.bincount((2 * drawn.operation + drawn.negative).ravel(), minlength=28))
    if number > 1:
        assert likely(np.bincount(14 * drawn.operation[:, 0, 0] + drawn.operation[:, 0, 1], minlength=196))


def test_trivialaugment_draws_14_operations_and_31_bins_equally_often():
    drawn = jax.tree.map(
        lambda one: np.asarray(one).ravel(), jax.jit(ta.sample, static_argnums=1)(jax.random.key(3), 20_000)
    )
    level = drawn.level.astype(int)
    assert (level == drawn.level).all()
    assert likely(np.bincount(drawn.operation, minlength=14)) and likely(np.bincount(level, minlength=31))
    assert likely(np.bincount(drawn.negative))
    assert likely(np.bincount(31 * drawn.operation + level, minlength=434))
    assert likely(np.bincount(14 * drawn.negative + drawn.operation, minlength=28))


def test_neither_randaugment_nor_trivialaugment_inverts():
    for module in (ra, ta):
        assert len(module.MOVES) == 14
        assert operations.INVERT not in [move.operation for move in module.MOVES]


@pytest.mark.parametrize(
    ("module", "options", "family"),
    [
        (aa, (policies.CIFAR10,), "AutoAugment"),
        (ra, (1, 9), "RandAugment"),  # with TrivialAugment one program
        pytest.param(ra, (2, 9), "RandAugment", marks=pytest.mark.slow),
        (ta, (), "TrivialAugmentWide"),
    ],
)
def test_images_are_those_sampled_and_the_mix_is_the_identity(module, options, family):
    """By the slow reference, for what `sample` gives for the key."""
    method = {aa: aa.autoaugment, ra: ra.randaugment, ta: ta.trivialaugment}[module]
    named = {aa: {}, ra: dict(zip(("number", "magnitude"), options, strict=False)), ta: {}}[module]
    names = [name for name in SPACES[family] if module is aa or name != "invert"]
    x, amounts = images_of((24, *SHAPE[1:])), by_level(family)
    images, mix = method(jax.random.key(6), x, **named)
    assert images.shape == x.shape and images.dtype == jnp.uint8
    sampled = jax.tree.map(np.asarray, module.sample(jax.random.key(6), 24, *options))
    for b in range(24):
        expected = x[b]
        for move, level, negative in zip(
            sampled.operation[b, 0], sampled.level[b, 0], sampled.negative[b, 0], strict=True
        ):
            name = names[move] if move >= 0 else "identity"
            if name != "identity":
                given, amount = SPACES[family][name], float(amounts[name][int(level)])
                amount = given.base + (-amount if given.signed and negative else amount)
                expected = slow.operation(name, expected, amount, slow.nearest)
        np.testing.assert_array_equal(images[b], expected)
    assert len({np.asarray(image).tobytes() for image in images}) == 24
    np.testing.assert_array_equal(mix.weight, np.ones((24, 1)))
    np.testing.assert_array_equal(mix.mask, np.ones((24, 1, 1, 1)))


@functools.partial(jax.jit, static_argnames="family")
def by_level(family):
    """Amounts of all levels of each operation, for the sides of SHAPE."""
    level = jnp.arange(31, dtype=jnp.float32)
    sides = {name: SHAPE[1] if name == "translate_y" else SHAPE[2] for name in SPACES[family]}
    return {name: jnp.broadcast_to(move.amount(level, sides[name]), 31) for name, move in SPACES[family].items()}


def test_a_traced_magnitude_costs_one_trace_and_is_the_level_of_all():
    traces = []

    @jax.jit
    def sample(magnitude):
        traces.append(magnitude)
        return ra.sample(jax.random.key(7), 50, 2, magnitude)

    first = sample(0)
    for magnitude in range(31):
        sampled = sample(magnitude)
        np.testing.assert_array_equal(sampled.operation, first.operation)
        np.testing.assert_array_equal(sampled.negative, first.negative)
        assert (np.asarray(sampled.level) == magnitude).all()
    assert len(traces) == 1
    for one, other in zip(sample(9), ra.sample(jax.random.key(7), 50, 2, 9), strict=True):
        np.testing.assert_array_equal(one, other)


def test_magnitude_0_moves_nothing():
    for name, amount in ranges("RandAugment")[32].items():
        if SPACES["RandAugment"][name].signed:
            assert amount[0] == 0, name


def bad(*steps):
    return tuple((Step(*step), Step("invert", 0.5, 0)) for step in steps)


WRONG = {
    "an unknown operation": (
        aa.autoaugment,
        {"policy": bad(("flip", 0.5, 3))},
        "flip.*wanted an operation of.*shear_x",
    ),
    "a probability above 1": (aa.autoaugment, {"policy": bad(("rotate", 1.5, 3))}, "1.5.*probability"),
    "a magnitude of 10": (aa.autoaugment, {"policy": bad(("rotate", 0.5, 10))}, "10.*0 to 9"),
    "an empty policy": (aa.autoaugment, {"policy": ()}, "policy is.*one or more"),
    "a policy's name": (aa.autoaugment, {"policy": "cifar10"}, "policy is 'cifar10'.*sequence"),
    "no operations": (ra.randaugment, {"number": 0}, "number is 0.*1 or more"),
    "magnitude 31": (ra.randaugment, {"magnitude": 31}, "magnitude is 31.*0 to 30"),
    "magnitude -1": (ra.randaugment, {"magnitude": -1}, "magnitude is -1.*0 to 30"),
    "magnitude in words": (ra.randaugment, {"magnitude": "9"}, "magnitude is '9'.*one number"),
}


@pytest.mark.parametrize(("method", "options", "words"), WRONG.values(), ids=WRONG.keys())
def test_what_is_wrong_says_what_came_and_what_was_wanted(method, options, words):
    with pytest.raises(ValueError, match=words):
        jax.eval_shape(functools.partial(method, **options), jax.random.key(8), np.zeros(SHAPE, np.float32))


@pytest.mark.parametrize("method", METHODS)
def test_wrong_images_are_refused(method):
    for x, words in ((np.zeros(SHAPE[1:]), "rank 3"), (np.full(SHAPE, -2, np.float32), r"-2.*0\.\.1.*normaliz")):
        with pytest.raises(ValueError, match=words):
            method(jax.random.key(9), x)
