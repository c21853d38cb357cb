"""Attacks: values of a plain numpy attack, a trained network, the ball and the range, uint8, failing gradients."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.datasets import load_digits

import jaxmix
from jaxmix.robustness import attacks

pytestmark = pytest.mark.unoptimized

LEVEL = np.float32(1 / 255)
slow = pytest.mark.slow


def quadratic(x):
    """Rises away from 0.4, more steeply in some places than in others; no gradient in the first pixel."""
    weight = np.linspace(0, 1, x[0].size, dtype=np.float32).reshape(x.shape[1:])
    return (weight[None] * jnp.square(x - 0.4)).sum((1, 2, 3))


def samples(dtype=np.float32, shape=(3, 4, 5, 2), seed=0):
    x = np.random.default_rng(seed).uniform(size=shape)
    return (np.rint(x * 255) if dtype == jnp.uint8 else x).astype(dtype)


fgsm, losses = jax.jit(functools.partial(attacks.fgsm, quadratic)), jax.jit(quadratic)
OPTIONS = ("steps", "norm", "restarts", "random_start", "keep_best")


@functools.partial(jax.jit, static_argnames=OPTIONS)
def pgd(key, x, epsilon, *, step, **options):
    return attacks.pgd(key, quadratic, x, epsilon, step=step, **options)


# The options of most tests, so that they share programs.
TWICE = {"steps": 4, "restarts": 2}


def key(seed=0):
    return jax.random.key(seed)


# Values of a plain numpy attack on a linear classifier, and its gradient checked with torch.


@pytest.fixture(scope="module")
def classifier(golden):
    numbers = golden("robustness/adversarial")
    mean, std = (numbers[name].astype(np.float32) for name in ("mean", "std"))

    def loss(x):
        logits = jnp.tensordot((x - mean) / std, numbers["W"], 3, precision="highest") + numbers["b"][None]
        return jaxmix.cross_entropy(logits, numbers["y"])

    return loss, numbers


# The gradient's tolerance: a float32 sum of 192 terms, and logits up to 25 that were divided by std.
def near(found, expected, loss, losses):
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(loss, losses, rtol=1e-5)


@pytest.fixture(autouse=True)
def _plain_rank_promotion():
    # A loss as users write it, with mean and std per channel.
    with jax.numpy_rank_promotion("allow"):
        yield


def test_fgsm_is_that_of_plain_numpy(classifier):
    loss, numbers = classifier
    x = numbers["x"]

    @jax.jit
    def attacked(x, epsilon):
        found = attacks.fgsm(loss, x, epsilon)
        return found, loss(found), jax.grad(lambda x: loss(x).sum())(x)

    for levels in (2, 4, 8):
        found, made, gradient = map(np.asarray, attacked(x, levels * LEVEL))
        near(found, numbers[f"fgsm_eps{levels}"], made, numbers[f"fgsm_loss_eps{levels}"])
    np.testing.assert_allclose(gradient, numbers["grad_sum"], rtol=0, atol=1e-5)
    assert (gradient[:, 3, 3, 1] == 0).all()
    np.testing.assert_array_equal(found[:, 3, 3, 1], x[:, 3, 3, 1])  # sign(0) = 0


def test_pgd_is_that_of_plain_numpy(classifier):
    loss, numbers = classifier
    x, step, epsilon = numbers["x"], 2 * LEVEL, 8 * LEVEL
    start = np.clip(x + np.float32(epsilon) * numbers["pgd10_start_u"], 0, 1)

    @jax.jit
    def attacked(key, x, start):
        options = {"steps": 7, "step": step, "random_start": False, "keep_best": False}
        last = attacks.pgd(key, loss, x, epsilon, **options)
        one, four = (attacks.ascend(loss, x, x, epsilon, step=step, steps=steps) for steps in (1, 4))
        ten = attacks.ascend(loss, x, start, epsilon, step=step, steps=10)
        euclidean = attacks.ascend(loss, x, x, 0.5, step=0.1, steps=10, norm="2")
        return [(found, loss(found)) for found in (last, one, four, ten, euclidean)]

    last, one, four, ten, euclidean = attacked(key(), x, start)
    near(last[0], numbers["pgd7"], last[1], numbers["pgd7_loss"][-1])
    for steps, part in ((1, one), (4, four)):
        np.testing.assert_allclose(part[1], numbers["pgd7_loss"][steps - 1], rtol=1e-5)
    near(ten[0], numbers["pgd10_randstart"], ten[1], numbers["pgd10_loss"])
    near(euclidean[0], numbers["pgd10_l2"], euclidean[1], numbers["pgd10_l2_loss"])


# A network trained on scikit-learn's digits.


@pytest.fixture(scope="module")
def digits():
    """Held out digits, their labels, a trained network and its weights."""
    images, labels = load_digits(return_X_y=True)
    images, labels = (images.reshape(-1, 8, 8, 1) / 16).astype(np.float32), labels.astype(np.int32)
    generator = np.random.default_rng(1)
    weights = generator.normal(size=(64, 48)) / 8, np.zeros((1, 48)), generator.normal(size=(48, 10)) / 7

    def network(weights, x):
        hidden = jax.nn.relu(x.reshape(x.shape[0], -1) @ weights[0] + weights[1])
        return hidden @ weights[2]

    def descend(weights, _):
        slope = jax.grad(lambda w: jaxmix.cross_entropy(network(w, images[:1200]), labels[:1200]).mean())(weights)
        return jax.tree.map(lambda w, g: w - 0.5 * g, weights, slope), None

    weights, _ = jax.jit(lambda w: jax.lax.scan(descend, w, None, 400))([w.astype(np.float32) for w in weights])
    return images[1200:1500], labels[1200:1500], network, weights


def test_attacks_reduce_accuracy_monotonically_and_pgd_is_as_strong_as_fgsm(digits):
    x, y, network, weights = digits

    def loss(x):
        return jaxmix.cross_entropy(network(weights, x), y)

    @jax.jit
    def attacked(key, x, epsilon):
        options = {"step": epsilon / 4, "steps": 10}
        found = {
            "clean": x,
            "fgsm": attacks.fgsm(loss, x, epsilon),
            "pgd": attacks.pgd(key, loss, x, epsilon, **options),
            # Its first step is FGSM's, and it keeps the best.
            "fgsm and on": attacks.pgd(key, loss, x, epsilon, step=epsilon, steps=10, random_start=False),
            "2": attacks.pgd(key, loss, x, 4 * epsilon, norm="2", **options),
        }
        return {name: (a, loss(a), (network(weights, a).argmax(1) == y).mean()) for name, a in found.items()}

    with jax.debug_key_reuse(False):  # one key for both norms
        curves = {"fgsm": [], "pgd": [], "2": []}
        for epsilon in (0.02, 0.05, 0.1, 0.2, 0.3):
            made = jax.tree.map(np.asarray, attacked(key(), x, np.float32(epsilon)))
            # Within the rounding of a sum of exponentials near 1, since the losses are of two programs.
            close = made["fgsm"][1] - np.finfo(np.float32).eps
            assert (made["fgsm and on"][1] >= close).all(), "for every image, not just on average"
            assert made["pgd"][1].mean() > made["fgsm"][1].mean()
            assert (made["2"][1] >= made["clean"][1]).all()
            for name, curve in curves.items():
                found, _, accuracy = made[name]
                assert 0 <= found.min() and found.max() <= 1
                curve.append(float(accuracy))
    clean = float(made["clean"][2])
    assert clean > 0.85
    for curve in curves.values():
        assert all(b < a for a, b in itertools.pairwise([clean, *curve]) if a > 0.01), curve
        assert curve[-1] < 0.1
    assert all(often <= once for often, once in zip(curves["pgd"], curves["fgsm"], strict=True))
    assert sum(curves["pgd"]) < sum(curves["fgsm"]) - 0.02


def test_more_restarts_are_stronger():
    def waves(x):  # a hill every 0.16
        return jnp.sin(40 * x).sum((1, 2, 3)) + x.sum((1, 2, 3))

    @jax.jit
    def highest(x, *keys):
        options = ({"restarts": 1}, {"restarts": 5}, {"restarts": 5, "keep_best": False})
        found = [attacks.pgd(k, waves, x, 0.4, step=0.01, steps=8, **o) for k, o in zip(keys, options, strict=True)]
        return [waves(a).mean() for a in found]

    one, five, five_last = map(float, highest(samples(shape=(200, 1, 1, 2)), key(), key(), key()))
    assert five > one + 0.1 and five_last > one + 0.1


# The ball and the range.


@pytest.mark.parametrize(
    "dtype", [jnp.float32, pytest.param(jnp.bfloat16, marks=slow), jnp.uint8], ids=["float32", "bfloat16", "uint8"]
)
@pytest.mark.parametrize("norm", ["inf", "2"])
def test_attacked_images_keep_dtype_ball_and_range(dtype, norm):
    x, epsilon = samples(dtype), 8 * LEVEL if norm == "inf" else np.float32(0.3)
    found = pgd(key(), x, epsilon, step=epsilon / 3, norm=norm, **TWICE)
    assert found.dtype == dtype and found.shape == x.shape
    unit = 255 if dtype == jnp.uint8 else 1
    before, after = (np.asarray(array).astype(np.float64) / unit for array in (x, found))
    assert after.min() >= 0 and after.max() <= 1 and (after != before).any()
    change = after - before
    # A change is rounded to the dtype after it is cut to the ball.
    slack = {jnp.uint8: 0, jnp.float32: 1e-7, jnp.bfloat16: 2**-9}[dtype] + 1e-7
    if norm == "inf":
        assert np.abs(change).max() <= epsilon + slack
    else:
        assert np.sqrt(np.square(change).sum((1, 2, 3))).max() <= epsilon + slack * np.sqrt(change[0].size)


def test_levels_of_8_bits_move_by_integer_levels_up_to_epsilon():
    x = samples(jnp.uint8)
    found = fgsm(x, 8 * LEVEL)
    # The slope of the quadratic; its weight is 0 in the first pixel.
    gradient = np.linspace(0, 1, x[0].size, dtype=np.float32).reshape(x.shape[1:]) * (x.astype(np.float32) / 255 - 0.4)
    expected = np.clip(x.astype(int) + 8 * np.sign(gradient).astype(int), 0, 255)
    np.testing.assert_array_equal(found, expected)
    for levels, moved in ((8.9, 8), (0.9, 0)):  # never further than epsilon
        change = np.asarray(fgsm(x, np.float32(levels) * LEVEL), int) - x.astype(int)
        assert np.abs(change).max() == moved
    # Less than a level adds up.
    found = pgd(key(), x, 8 * LEVEL, step=np.float32(0.4) * LEVEL, steps=30, random_start=False)
    assert np.abs(np.asarray(found, int) - x.astype(int)).max() == 8


def test_8_bit_images_are_as_strong_as_fgsm_too():
    x = samples(jnp.uint8)
    found = pgd(key(), x, 5 * LEVEL, step=2 * LEVEL, norm="inf", **TWICE)
    once = fgsm(x, 5 * LEVEL)
    often, single = (losses(np.asarray(array).astype(np.float32) / np.float32(255)) for array in (found, once))
    assert (np.asarray(often) >= np.asarray(single)).all()


def test_an_epsilon_of_0_changes_nothing():
    zero, step = np.float32(0), np.float32(0.1)
    for x in (samples(), samples(jnp.uint8)):
        np.testing.assert_array_equal(fgsm(x, zero), x)
        for norm in ("inf", "2"):
            np.testing.assert_array_equal(pgd(key(), x, zero, step=step, norm=norm, **TWICE), x)


def test_random_starts_fill_the_ball():
    def flat(x):  # no slope
        return 0 * x.sum((1, 2, 3))

    @jax.jit
    def starts(x, first, second):
        options = {"step": 0.0, "steps": 1, "keep_best": False}
        square, disc = (
            attacks.pgd(first, flat, x, 0.25, **options),
            attacks.pgd(second, flat, x, 0.25, norm="2", **options),
        )
        return (square - x)[:, 0, 0] / 0.25, (disc - x)[:, 0, 0] / 0.25

    square, disc = map(np.asarray, starts(np.full((400, 1, 1, 2), 0.5, np.float32), key(), key()))
    np.testing.assert_allclose((np.abs(square) <= 0.5).mean(), 0.5, atol=0.1)  # uniform: 5 standard deviations
    assert np.abs(square).max() <= 1 and (square < 0).any() and (square > 0).any()
    radius = np.hypot(*disc.T)
    assert radius.max() <= 1 + 1e-6
    np.testing.assert_allclose((radius <= 0.5).mean(), 0.25, atol=0.11)  # a quarter of the disc
    np.testing.assert_allclose((disc > 0).mean(0), 0.5, atol=0.13)


def test_the_best_point_evaluated_is_kept():
    def hill(x):  # highest at 0.7, so that long steps overshoot it and return
        return -jnp.square(x - 0.7).sum((1, 2, 3))

    @jax.jit
    def attacked(x, top, first, second, third):
        options = {"step": 0.25, "steps": 2, "random_start": False}
        best = attacks.pgd(first, hill, x, 0.5, **options)
        last = attacks.pgd(second, hill, x, 0.5, keep_best=False, **options)
        return best, last, attacks.pgd(third, hill, top, 0.5, step=0.25, steps=2)

    x, top = (np.full((1, 1, 1, 1), value, np.float32) for value in (0.5, 0.7))
    best, last, stayed = attacked(x, top, key(), key(), key())
    np.testing.assert_allclose(np.asarray(best).ravel(), 0.75)
    np.testing.assert_allclose(np.asarray(last).ravel(), 0.5)
    np.testing.assert_array_equal(stayed, top, "where every step leads down the image itself is kept")


# Failures inside.


def test_gradients_and_losses_that_are_nan_do_no_harm():
    def broken(x):
        value = x.sum((1, 2, 3))
        return jnp.where(np.arange(3) == 1, jnp.nan, 1.0) * value

    @jax.jit
    def attacked(x, *keys):
        go = {"step": 0.05, "steps": 2, "random_start": False}
        options = ({}, {"keep_best": False}, {"norm": "2"})
        found = [attacks.pgd(k, broken, x, 0.1, **go, **o) for k, o in zip(keys, options, strict=True)]
        return attacks.fgsm(broken, x, 0.1), *found

    x = samples()
    for found in map(np.asarray, attacked(x, key(), key(), key())):
        np.testing.assert_array_equal(found[1], x[1])
        assert np.isfinite(found).all() and (found[0] != x[0]).any()


def test_tiny_and_huge_gradients_have_a_direction():
    @jax.jit
    def moved(x, scale):
        return attacks.ascend(lambda x: scale * quadratic(x), x, x, 0.1, step=0.05, steps=1, norm="2")

    x = samples()
    for scale in (1e-30, 1e30):
        np.testing.assert_allclose(moved(x, np.float32(scale)), moved(x, np.float32(1)), atol=1e-6)


def test_attacked_images_have_no_gradient():
    slope = jax.jit(jax.grad(lambda x: attacks.fgsm(quadratic, x, 0.1).sum()))(samples())
    np.testing.assert_array_equal(slope, 0)


def test_a_network_can_be_trained_on_attacked_images():
    x = samples()

    def attacked(weight, key):
        def loss(x):
            return weight * quadratic(x)

        go = {"step": 0.05, "steps": 2, "random_start": False}
        return loss(attacks.pgd(key, loss, attacks.fgsm(loss, x, 0.1), 0.1, **go)).sum()

    # The images are constants, so the slope is the loss of weight 1.
    value, slope = jax.jit(jax.value_and_grad(attacked))(np.float32(2), key())
    np.testing.assert_allclose(slope, value / 2, rtol=1e-6)


# Jit, platforms, mistakes.


@pytest.mark.parametrize("norm", ["inf", pytest.param("2", marks=slow)])
def test_jit_gives_what_eager_gives_and_epsilon_may_be_traced(norm):
    x, epsilon, step = samples(), np.float32(0.1), np.float32(0.05)
    once = attacks.fgsm(quadratic, {"image": x}, epsilon)
    np.testing.assert_allclose(fgsm(x, epsilon), once, atol=1e-7)
    eager = attacks.pgd(key(), quadratic, x, epsilon, step=step, norm=norm, **TWICE)
    np.testing.assert_allclose(pgd(key(), x, epsilon, step=step, norm=norm, **TWICE), eager, atol=1e-6)


def test_float64_images_stay_float64():
    with jax.enable_x64(True):
        x = np.random.default_rng(0).uniform(0.2, 0.8, (2, 3, 3, 1))
        found = jax.jit(lambda x: attacks.fgsm(lambda x: jnp.square(x).sum((1, 2, 3)), x, 0.125))(x)
        assert found.dtype == jnp.float64
        np.testing.assert_allclose(found, x + 0.125, rtol=1e-15)


def test_attacks_lower_for_every_platform_and_never_call_the_host():
    shapes = jax.ShapeDtypeStruct((), key().dtype), jax.ShapeDtypeStruct((2, 4, 4, 1), jnp.float32)
    for norm in ("inf", "2"):

        def both(key, x, norm=norm):
            x = attacks.fgsm(quadratic, x, 0.1)
            return attacks.pgd(key, quadratic, x, 0.1, step=0.05, steps=2, norm=norm, restarts=2)

        exported = jax.export.export(jax.jit(both), platforms=("cpu", "cuda", "tpu"))(*shapes)
        assert exported.platforms == ("cpu", "cuda", "tpu") and "callback" not in exported.mlir_module()


def test_mistakes_say_what_was_wanted():
    def changed(value):
        x = samples()
        x[0, 0] = value
        return x

    x, go = samples(), {"step": 0.1, "steps": 2}
    mistakes = {
        r"epsilon is 8.0; wanted .* from 0 to 1": lambda: attacks.fgsm(quadratic, x, 8.0),
        r"epsilon is -0.1; wanted .* from 0": lambda: attacks.fgsm(quadratic, x, -0.1),
        r"epsilon is nan": lambda: attacks.fgsm(quadratic, x, np.nan),
        r"images have values from .* to 255; wanted 0..1": lambda: attacks.fgsm(quadratic, changed(255), 0.1),
        r"images have values from nan to nan": lambda: attacks.fgsm(quadratic, changed(np.nan), 0.1),
        r"images have rank 3": lambda: attacks.fgsm(quadratic, x[0], 0.1),
        r"loss gave shape \(\) for images.*leave out the mean": lambda: attacks.fgsm(lambda x: x.mean(), x, 0.1),
        r"step is -1; wanted": lambda: attacks.pgd(key(), quadratic, x, 0.1, step=-1, steps=2),
        r"steps is 0; wanted 1": lambda: attacks.pgd(key(), quadratic, x, 0.1, step=0.1, steps=0),
        r"restarts is 0; wanted 1": lambda: attacks.pgd(key(), quadratic, x, 0.1, restarts=0, **go),
        r"restarts is 2 without random_start": lambda: attacks.pgd(
            key(), quadratic, x, 0.1, restarts=2, random_start=False, **go
        ),
        r'norm is 1; wanted "inf" or "2"': lambda: attacks.pgd(key(), quadratic, x, 0.1, norm=1, **go),
        r"epsilon is inf; wanted .* from 0 to 6.3": lambda: attacks.pgd(key(), quadratic, x, np.inf, norm="2", **go),
        r"start has shape \(4, 5, 2\)": lambda: attacks.ascend(quadratic, x, x[0], 0.1, **go),
    }
    for message, call in mistakes.items():
        with pytest.raises(ValueError, match=message):
            call()


# The random start of a widespread release, which moves the center of the ball.


def test_the_ball_is_around_the_images_not_around_the_random_start(golden):
    numbers = golden("beyond/pgd_shared_start")
    x = numbers["x"]

    def loss(x):
        hidden = jnp.tanh(jnp.dot((2 * x - 1).reshape(x.shape[0], -1), numbers["W1"], precision="highest"))
        return jaxmix.cross_entropy(jnp.dot(hidden, numbers["W2"], precision="highest"), numbers["y"])

    uphill = jax.grad(lambda x: loss(x).sum())

    @functools.partial(jax.jit, static_argnames="steps")
    def attacked(x, noise, epsilon, step, *, steps):
        # The authors' start isn't clipped to 0..1, so their first step is made here.
        first = x + noise + step * jnp.sign(uphill(x + noise))
        ours = attacks.ascend(loss, x, first, epsilon, step=step, steps=steps - 1)
        center = x + noise

        def released(_, point):
            moved = point + step * jnp.sign(uphill(point)) - center
            return jnp.clip(center + jnp.clip(moved, -epsilon, epsilon), 0, 1)

        return ours, jax.lax.fori_loop(0, steps, released, center)

    for name in ("test", "train"):
        noise, epsilon, step = numbers[f"{name}_noise"], *(np.float32(numbers[f"{name}_{n}"]) for n in ("eps", "step"))
        ours, around_the_start = attacked(x, noise, epsilon, step, steps=int(numbers[f"{name}_steps"]))
        # A value whose gradient is within 1e-6 of 0 may go either way: 3 per thousand.
        for found, expected in ((ours, "correct"), (around_the_start, "released")):
            assert (np.abs(found - numbers[f"{name}_{expected}"]) > 1e-5).mean() <= 0.003, (name, expected)
        assert np.abs(ours - x).max() <= epsilon + 1e-6
        assert np.abs(around_the_start - x).max() > 1.9 * epsilon
