"""Sequences of perturbed images: their frames, dtypes and errors."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxmix.robustness import sequences
from jaxmix.robustness.sequences.constants import CONSTANTS

slow = pytest.mark.slow
pytestmark = pytest.mark.unoptimized
NAMES = sequences.names("cifar")
FRAMES = {"translate": 16, "motion_blur": 21}


def key(seed=0):
    return jax.random.key(seed)


def images(number, height=12, width=15):
    return np.random.default_rng(0).integers(0, 256, (number, height, width, 3)).astype(np.uint8)


@pytest.mark.parametrize("number", [2, FRAMES["translate"]])
def test_an_image_out_of_range_under_jit_is_nan_in_its_own_frames_alone(number):
    x = images(number).astype(np.float32) / 255
    x[1, 3, 4] = 9.0
    made = np.asarray(jax.jit(functools.partial(sequences.perturb, name="translate"))(key(), x))
    assert np.isnan(made).any((1, 2, 3, 4)).tolist() == [image == 1 for image in range(number)]
    assert np.isnan(made[1]).any((1, 2, 3)).all()


def test_the_means_of_a_zoom_are_levels_for_floats_too():
    x = np.random.default_rng(0).uniform(size=(1, 12, 15, 3)).astype(np.float32)
    levels = 255 * np.asarray(sequences.perturb(key(), x, "zoom_blur"), np.float64)
    np.testing.assert_allclose(levels, np.round(levels), atol=1e-3)


# Of the rest the goldens run the programs.
@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in ("motion_blur", "snow") else slow) for n in NAMES])
def test_frames_have_the_images_dtype_and_begin_with_a_clean_image_where_they_should(name):
    x = images(2)
    made = np.asarray(sequences.perturb(key(), x, name))
    assert made.dtype == np.uint8 and made.shape == (2, FRAMES.get(name, 31), *x.shape[1:])
    assert np.array_equal(made[:, 0], x) == (name in (*sequences.NOISE, "zoom_blur"))
    assert (made[:, 1:] != made[:, :-1]).any((0, 2, 3, 4)).mean() > 0.6  # frames differ


@slow
@pytest.mark.parametrize("name", NAMES)
def test_floats_are_the_levels_and_eager_is_jitted(name):
    x = images(2)
    made = np.asarray(sequences.perturb(key(), x, name))
    jitted = jax.jit(functools.partial(sequences.perturb, name=name))
    np.testing.assert_array_equal(jitted(key(), x), made)
    floating = np.asarray(sequences.perturb(key(), {"image": x.astype(np.float32) / 255}, name))
    assert floating.dtype == np.float32 and floating.min() >= 0 and floating.max() <= 1
    if name != "shot_noise":  # levels in between may differ; other samples
        assert np.abs(255 * floating.astype(np.float64) - made).max() <= 1.01


@pytest.mark.parametrize("name", [pytest.param(n, marks=() if n in ("rotate", "snow") else slow) for n in NAMES])
def test_lowers_for_cpu_cuda_and_tpu(name):
    shape = jax.ShapeDtypeStruct((2, 16, 16, 3), jnp.uint8)
    call = jax.jit(functools.partial(sequences.perturb, name=name))
    exported = jax.export.export(call, platforms=("cpu", "cuda", "tpu"))(jax.eval_shape(key), shape)
    assert exported.out_avals[0].shape == (2, FRAMES.get(name, 31), 16, 16, 3)


def test_noise_is_stronger_with_difficulty_and_other_frames_stay():
    x = np.full((4, 16, 16, 3), 128, np.uint8)
    deviations = [
        np.asarray(sequences.perturb(key(), x, "gaussian_noise", difficulty=d))[:, 1:].std() / 255 for d in (1, 2, 3)
    ]
    np.testing.assert_allclose(deviations, CONSTANTS["cifar"]["gaussian_noise"], rtol=0.03)
    same = [np.asarray(sequences.perturb(key(), x, "brightness", difficulty=d)) for d in (1, 3)]
    np.testing.assert_array_equal(*same)


def test_the_middle_frame_of_turns_and_shifts_is_the_image_and_content_moves_right():
    x = images(1)
    for name, still in (("rotate", 15), ("translate", 7)):
        np.testing.assert_array_equal(np.asarray(sequences.perturb(key(), x, name))[:, still], x)
    moved = np.asarray(sequences.perturb(key(), x, "translate"))[0]
    np.testing.assert_array_equal(moved[9, :, 2:], x[0, :, :-2])
    assert (moved[9, :, :2] == 0).all()


def test_both_sets_of_constants_have_their_perturbations():
    assert len(sequences.MAIN) == 10 and set(NAMES) == {*sequences.MAIN, *sequences.EXTRA}
    assert {*NAMES} - {*sequences.names("imagenet")} == {"snow", "shear"}
    shape = jax.ShapeDtypeStruct((2, 64, 64, 3), jnp.uint8)
    frames = {name: 41 if name == "translate" else 31 for name in sequences.names("imagenet")}
    for name in ("translate", "motion_blur"):
        made = jax.eval_shape(
            functools.partial(sequences.perturb, name=name, constants="imagenet"), jax.eval_shape(key), shape
        )
        assert made.shape[1] == frames[name]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"name": "spatter"}, r"name is 'spatter'; with constants 'cifar' wanted one of gaussian_noise, "),
        ({"name": "snow", "constants": "imagenet"}, r"name is 'snow'; with constants 'imagenet' wanted one of "),
        ({"constants": "svhn"}, r'constants are \'svhn\'; wanted "cifar" or "imagenet"'),
        ({"difficulty": 4}, r"difficulty is 4; wanted 1 or more, at most 3"),
        ({"center_offset": "half"}, r"center_offset is 'half'; wanted a Python number of pixels, at most 8"),
        ({"images": np.zeros((1, 8, 8, 1), np.uint8)}, r"images have 1 channels; wanted 3, RGB"),
        ({"images": np.full((1, 8, 8, 3), 2.0, np.float32)}, r"images have values from 2 to 2; wanted 0..1"),
    ],
)
def test_mistakes_say_what_was_wanted(change, message):
    given = {"images": np.zeros((1, 8, 8, 3), np.uint8), "name": "rotate"} | change
    with pytest.raises(ValueError, match=message):
        sequences.perturb(key(), **given)
