"""Potts labeling: exact minima, of the problems of Co-Mixup's authors and of random ones."""

import numpy as np
import pytest
from reference import comixup as slow

from jaxmix.blocks.potts import potts

pytestmark = pytest.mark.unoptimized

slowly = pytest.mark.slow

NEVER = 1e9


def energies(unary, pairwise, labels):
    costs = unary.astype(float), pairwise.astype(float)
    return np.array([slow.energy(*one) for one in zip(*costs, np.asarray(labels), strict=True)])


def problems(seed, size, rows, columns, labels, *, alike=True):
    """Random costs about 1 apart; what neighbors pay is 1 for any two labels, or different for every two."""
    generator = np.random.default_rng(seed)
    unary = generator.standard_normal((size, rows, columns, labels)).astype(np.float32)
    pay = generator.random((size, labels, labels)).astype(np.float32)
    pay = np.ones_like(pay) if alike else pay + pay.transpose(0, 2, 1)
    return unary, pay * (1 - np.eye(labels, dtype=np.float32))


def exact(unary, pairwise):
    return np.array([slow.solve(*one)[1] for one in zip(unary.astype(float), pairwise.astype(float), strict=True)])


def test_every_problem_of_the_authors_runs_is_solved_exactly(golden):
    # Sub-problems of graphcut_wrapper of snu-mllab/Co-Mixup @2a76816; their alpha-beta swap solves 89 % of the 120.
    unary, pairwise, best = [], [], []
    for inputs in (8, 20):
        arrays = golden(f"mixing/comix_sub_N{inputs}")
        assert float(arrays["w"]) == pytest.approx(0.02)
        for count, u, p, e in zip(*(arrays[name] for name in ("K", "unary", "pairwise", "E_opt")), strict=True):
            unary.append(np.full((4, 4, 23), NEVER, np.float32))
            pairwise.append(np.ones((23, 23), np.float32))
            unary[-1][..., :count], pairwise[-1][:count, :count] = u[..., :count], p[:count, :count]
            best.append(e)
    unary, pairwise = np.stack(unary), np.stack(pairwise)
    found = energies(unary, 0.02 * pairwise.astype(float), potts(unary, pairwise, 0.02))
    # Unary costs of about 1 in float32, which 16 blocks sum up.
    np.testing.assert_allclose(found, best, rtol=0, atol=1e-5)


@pytest.mark.parametrize(
    ("rows", "columns", "labels"), [(3, 2, 6), *(pytest.param(*size, marks=slowly) for size in [(5, 1, 3), (1, 4, 4)])]
)
def test_the_minimum_is_exact_where_every_label_is_a_candidate(rows, columns, labels):
    unary, pairwise = problems(rows, 12, rows, columns, labels, alike=False)
    found = energies(unary, pairwise, potts(unary, pairwise))
    np.testing.assert_allclose(found, exact(unary, pairwise), rtol=0, atol=1e-5)  # float32 sums of about 20


# Co-Mixup's costs differ by 0.04 from label to label and neighbors pay 0.02 (0.01 to 0.03): a weight of 0.5 here.


@pytest.mark.slow
def test_hardly_a_minimum_is_missed_for_want_of_candidates():
    unary, pairwise = problems(0, 60, 4, 4, 9)
    for weight, solved in ((0.3, 1.0), (0.5, 1.0), (1.0, 0.7)):
        gap = energies(unary, weight * pairwise, potts(unary, pairwise, weight)) - exact(unary, weight * pairwise)
        assert gap.min() > -1e-5 and (gap < 1e-5).mean() >= solved


@pytest.mark.parametrize(("rows", "columns", "labels"), [(4, 5, 4), pytest.param(6, 9, 2, marks=slowly)])
def test_on_wide_grids_few_minima_are_missed_and_none_by_far(rows, columns, labels):
    unary, pairwise = problems(0, 50, rows, columns, labels)
    for weight, solved in ((0.3, 1.0), (0.5, 0.9), (1.0, 0.7)):
        best = exact(unary, weight * pairwise)
        gap = energies(unary, weight * pairwise, potts(unary, pairwise, weight)) - best
        nearest = energies(unary, weight * pairwise, unary.argmin(-1)) - best
        assert gap.min() > -1e-5 and (gap < 1e-5).mean() >= solved and gap.mean() < 0.02 * nearest.mean()


def test_without_weight_blocks_choose_alone_and_with_a_large_one_all_alike():
    unary, pairwise = problems(3, 4, 4, 4, 5)
    labels = np.asarray(potts(unary, pairwise, np.float32([0, 100, 0, 100])))
    np.testing.assert_array_equal(labels[::2], unary[::2].argmin(-1))
    alike = unary.sum((1, 2)).argmin(-1)[:, None, None]
    np.testing.assert_array_equal(labels[1::2], np.broadcast_to(alike, labels.shape)[1::2])


def test_every_problem_is_solved_by_itself_under_its_own_weight():
    unary, pairwise = problems(4, 4, 4, 4, 5)
    weight = np.float32([0.1, 0.5, 1, 2])
    labels = np.asarray(potts(unary, pairwise, weight))
    np.testing.assert_array_equal(potts(unary[::-1], pairwise[::-1], weight[::-1]), labels[::-1])
    assert len({labels[i].tobytes() for i in range(4)}) == 4


def test_a_label_out_of_reach_is_never_taken():
    unary, pairwise = problems(5, 4, 4, 4, 5)
    unary[..., :3] += NEVER
    assert np.asarray(potts(unary, pairwise, np.float32([0, 0.5, 1, 100]))).min() >= 3
