import re

"""`python -m jaxmix`: sheets of the caller's own images, the list of methods, and mistakes in one line."""

import functools
import importlib.util
import runpy
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

import jaxmix
from jaxmix.methods.enumeration import by_name, map_names
from jaxmix.visualize import command_line, examples

pytestmark = pytest.mark.unoptimized


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Three images: wide RGB, tall with alpha, grey."""
    folder = tmp_path_factory.mktemp("images")
    pixels = np.random.default_rng(0).integers(0, 256, (50, 40, 4), np.uint8)
    for name, image in {"wide.png": pixels[:30, :, :3], "tall.png": pixels, "grey.jpg": pixels[..., 0]}.items():
        Image.fromarray(image).save(folder / name)
    return [str(folder / name) for name in ("wide.png", "tall.png", "grey.jpg")]


def run(capsys, *arguments):
    code = command_line.main([str(argument) for argument in arguments])
    return code, *capsys.readouterr()


def mistake(capsys, *arguments, code=2):
    ended, output, errors = run(capsys, *arguments)
    (line,) = errors.splitlines()
    assert (ended, output) == (code, "") and line.startswith("error: ")
    return line.removeprefix("error: ")


def sheet_of(capsys, out, *arguments):
    ended, output, errors = run(capsys, *arguments, "--side", 32, "--out", out)
    assert (ended, errors) == (0, "")
    with Image.open(out) as sheet:
        assert output == f"{out}: {sheet.width} x {sheet.height} pixels\n"
        return np.asarray(sheet.convert("RGB"))


def test_images_of_any_size_and_mode_give_a_sheet(capsys, files, tmp_path):
    two = ["--method", "cutmix", "--method", "saliencymix"]
    sheet = sheet_of(capsys, tmp_path / "sheet.png", *files, *two)
    assert sheet.shape[0] == 2 * 16 + 160 + 4 + 18 + 2 * (16 + 160 + 4 + 18)
    same = sheet_of(capsys, tmp_path / "same.png", *files, *two)
    np.testing.assert_array_equal(same, sheet)
    other = sheet_of(capsys, tmp_path / "other.png", *files, *two, "--seed", 1)
    assert (other != sheet).any()
    masks = sheet_of(capsys, tmp_path / "dark.webp", *files, *two, "--masks", "--dark")
    assert masks.shape[0] - sheet.shape[0] == 2 * 164 and masks[0, 0].max() < 50


def test_the_sheet_is_of_the_center_squares_and_of_what_the_method_makes(files):
    images = np.stack([command_line._read(command_line.Path(file), 32) for file in files])
    with Image.open(files[0]) as wide:
        square = wide.resize((32, 32), Image.Resampling.LANCZOS, box=(5, 0, 35, 30))
    np.testing.assert_array_equal(images[0], np.asarray(square))
    maps = examples.pixel_saliency(jnp.asarray(images))
    expected = jaxmix.saliencymix(jax.random.key(3), jnp.asarray(images), maps)
    mixed = examples.mixed_images(jaxmix.saliencymix, jax.random.key(3), jnp.asarray(images))
    jax.tree.map(np.testing.assert_array_equal, mixed, expected)


@pytest.mark.parametrize("name", by_name())
def test_every_public_method_is_applied_to_images_alone(name):
    x = jax.ShapeDtypeStruct((3, 64, 64, 3), jnp.uint8)
    key = jax.eval_shape(lambda: jax.random.key(0))
    mixed, mix = jax.eval_shape(functools.partial(examples.mixed_images, by_name()[name]), key, x)
    assert mixed.shape == x.shape and isinstance(mix, jaxmix.Mix)


@pytest.mark.slow
def test_all_methods_give_a_sheet(capsys, files, monkeypatch, tmp_path):
    # What is drawn differs with the form of a mix: blocks that move, many slots, a hole, none.
    forms = {name: by_name()[name] for name in ("puzzlemix", "comixup", "cutout", "augmix")}
    monkeypatch.setattr(command_line, "by_name", lambda: forms)
    sheet = sheet_of(capsys, tmp_path / "sheet.png", *files, "--method", "all")
    assert sheet.shape[0] == 2 * 16 + 160 + 4 + 18 + len(forms) * (16 + 160 + 4 + 18)


def test_the_public_methods_are_those_of_key_and_batch_that_return_a_mix():
    assert {"mixup", "cutmix", "sage", "snapmix", "comixup", "augmix", "trivialaugment"} <= set(by_name())
    assert not {"augmix_views", "dropblock", "adversarial", "sometimes", "apply"} & set(by_name())
    assert set(by_name()) <= set(jaxmix.__all__)
    assert map_names(jaxmix.snapmix) == ("cam", "labels") and map_names(jaxmix.mixup) == ()


def test_the_list_has_every_method_in_one_line_with_its_maps(capsys):
    code, output, errors = run(capsys, "--list")
    assert (code, errors) == (0, "")
    assert [line.split()[0] for line in output.splitlines()] == list(by_name())
    assert re.search(r"^attentivemix {2,}attention {2,}Paste the cells", output, re.MULTILINE)


def test_one_image_is_enough_for_methods_without_a_partner_only(capsys, files, tmp_path):
    out = tmp_path / "sheet.png"
    assert mistake(capsys, files[0], "--out", out, "--side", 32) == (
        "mixup mixes an image with a partner, and one image is given; wanted two or more, or a method that keeps the "
        "label, such as --method augmix"
    )
    assert not out.exists()
    sheet_of(capsys, out, files[0], "--method", "cutout")


def test_mistakes_take_one_line_that_says_what_is_wanted(capsys, files, tmp_path):
    text = tmp_path / "text.png"
    text.write_text("no image")
    assert "no images given; wanted two or more" in mistake(capsys)
    assert mistake(capsys, files[0], "--method", "cutmx") == "--method cutmx is no method; did you mean cutmix?"
    assert "is no method; --list names them" in mistake(capsys, files[0], "--method", "?")
    assert "text.png is no image that Pillow can read" in mistake(capsys, files[0], text)
    assert "absent.png could not be read: No such file" in mistake(capsys, files[0], tmp_path / "absent.png")
    assert "could not be read: Is a directory" in mistake(capsys, files[0], tmp_path)
    assert "--side is 40; wanted a multiple of 16" in mistake(capsys, *files, "--side", 40)
    assert "--seed is -1; wanted 0 to" in mistake(capsys, *files, "--seed=-1")
    assert "wanted a name that ends with one of .png" in mistake(capsys, *files, "--out", "sheet.gif")
    assert "whose folder doesn't exist" in mistake(capsys, *files, "--out", tmp_path / "absent" / "sheet.png")
    assert "one of the images; name another file" in mistake(capsys, *files, "--out", files[0])
    assert "unrecognized arguments: --sede" in mistake(capsys, *files, "--sede", 1)
    assert "invalid int value: 'x'" in mistake(capsys, *files, "--side", "x")


def test_a_sheet_that_cannot_be_written_is_no_mistake_of_the_command_line(capsys, files, tmp_path):
    (tmp_path / "sheet.png").mkdir()
    line = mistake(capsys, files[0], "--method", "cutout", "--side", 16, "--out", tmp_path / "sheet.png", code=1)
    assert line == f"{tmp_path / 'sheet.png'} could not be written: Is a directory"


def test_without_pillow_it_says_what_to_install(capsys, files, monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "PIL" else found(name))
    assert mistake(capsys, *files) == "jaxmix.visualize needs Pillow: pip install pillow"
    assert run(capsys, "--list")[0] == 0


def test_names_that_the_font_cannot_write_are_replaced():
    names = ["chat é.png", "猫.png", "cat.png"]
    assert [command_line._name(command_line.Path(name), at) for at, name in enumerate(names, 1)] == [
        "chat e",
        "image 2",
        "cat",
    ]


def test_the_package_is_a_program(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["jaxmix", "--list"])
    with pytest.raises(SystemExit) as ended:
        runpy.run_module("jaxmix", run_name="__main__")
    assert ended.value.code == 0 and "cutmix" in capsys.readouterr().out


def test_an_interrupt_ends_in_one_line(capsys, files, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(command_line, "_read", interrupted)
    assert mistake(capsys, *files, code=130) == "interrupted"
