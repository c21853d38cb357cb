"""Mean corruption error: the authors' numbers, worked cases, and tables that aren't whole."""

import numpy as np
import pytest

from jaxmix.robustness import mce
from jaxmix.robustness.corruptions import MAIN


def table(errors):
    return dict(zip(MAIN, errors, strict=True))


def test_corruption_errors_are_the_authors(golden):
    numbers = golden("robustness/mce")
    assert tuple(numbers["corruptions"]) == MAIN
    np.testing.assert_allclose(list(mce.ALEXNET.errors.values()), numbers["alexnet_mean_err"], rtol=1e-9)
    assert mce.ALEXNET.clean == numbers["alexnet_clean_err"]
    for i, errors in enumerate(map(table, numbers["err"])):
        plain = mce.corruption_errors(errors, normalizer=None)
        scaled = mce.corruption_errors(errors, normalizer=mce.ALEXNET)
        relative = mce.relative_corruption_errors(errors, numbers["clean_err"][i], normalizer=mce.ALEXNET)
        np.testing.assert_allclose(list(plain.values()), numbers["uCE"][i], rtol=0, atol=1e-9)
        np.testing.assert_allclose(list(scaled.values()), numbers["CE"][i], rtol=0, atol=1e-9)
        np.testing.assert_allclose(list(relative.values()), numbers["relative_CE"][i], rtol=0, atol=1e-9)
        np.testing.assert_allclose(np.mean(list(relative.values())), numbers["relative_mCE"][i], rtol=0, atol=1e-9)
        for normalizer, name in ((None, "umCE"), (mce.ALEXNET, "mCE")):
            made = mce.mean_corruption_error(errors, normalizer=normalizer)
            assert made == pytest.approx(numbers[name][i], abs=1e-9)


def test_the_normalizer_itself_has_100_and_ratios_are_of_sums():
    own = {name: [error] * 5 for name, error in mce.ALEXNET.errors.items()}
    assert mce.mean_corruption_error(own, normalizer=mce.ALEXNET) == pytest.approx(100)
    uneven = own | {"fog": [0.1, 0.2, 0.3, 0.4, 0.9]}
    made = mce.corruption_errors(uneven, normalizer=mce.ALEXNET)["fog"]
    assert made == pytest.approx(100 * 1.9 / (5 * mce.ALEXNET.errors["fog"]))


def test_a_substitute_counts_only_where_asked_for():
    errors = {name: [0.5] * 5 for name in MAIN if name != "frost"} | {"frost_like": [0.3] * 5}
    with pytest.raises(ValueError, match=r"errors lack frost \(frost_like count only with substitutes=True\)"):
        mce.mean_corruption_error(errors, normalizer=None)
    made = mce.mean_corruption_error(errors, normalizer=None, substitutes=True)
    assert made == pytest.approx((14 * 50 + 30) / 15)
    normalized = mce.corruption_errors(errors, normalizer=mce.ALEXNET, substitutes=True)
    assert normalized["frost_like"] == pytest.approx(30 / mce.ALEXNET.errors["frost"])
    both = mce.corruption_errors(errors | {"frost": [0.4] * 5}, normalizer=None, substitutes=True)
    assert both["frost"] == pytest.approx(40) and "frost_like" not in both


def test_tables_that_are_not_whole_say_so():
    whole = {name: [0.5] * 5 for name in MAIN}
    with pytest.raises(ValueError, match=r"errors lack gaussian_noise, shot_noise; wanted the 15"):
        mce.mean_corruption_error({name: whole[name] for name in MAIN[2:]}, normalizer=None)
    for row in ([0.5] * 4, [50.0] * 5, [np.nan] * 5, [-0.1] * 5):
        with pytest.raises(ValueError, match=r"errors of fog are .*; wanted five shares from 0 to 1, not percent"):
            mce.mean_corruption_error(whole | {"fog": row}, normalizer=None)
    with pytest.raises(ValueError, match=r"clean is 30; wanted a share from 0 to 1"):
        mce.relative_corruption_errors(whole, 30, normalizer=mce.ALEXNET)
    with pytest.raises(ValueError, match=r"normalizer mine has no error above 0 for shot_noise, "):
        mce.corruption_errors(whole, normalizer=mce.Normalizer("mine", {"gaussian_noise": 0.5}, 0.2))
