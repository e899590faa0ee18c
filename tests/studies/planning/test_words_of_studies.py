import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from studies.planning.words import from_to, quoted, size, wide


@pytest.mark.parametrize(
    ("distribution", "said", "sentence"),
    [
        (FloatDistribution(1e-4, 0.1, log=True), "0.0001:0.1:log", "0.0001 to 0.1, log"),
        (FloatDistribution(-1.5, 2), "-1.5:2", "-1.5 to 2"),
        (IntDistribution(1, 16, log=True), "1:16:log", "1 to 16, log"),
        (IntDistribution(0, 4), "0:4", "0 to 4"),
        (FloatDistribution(1e-12, 1e9), "1e-12:1e+09", "1e-12 to 1e+09"),
        (CategoricalDistribution(("mean", "a:b", None, 3)), "mean, a:b, None, 3", "mean, a:b, None, 3"),
    ],
)
def test_what_is_searched(distribution, said, sentence):
    assert (wide(distribution), from_to(distribution)) == (said, sentence)


@pytest.mark.parametrize(
    ("value", "said"),
    [(1 / 3, "0.333333"), (7, "7"), ("a", "'a'"), (None, "None"), ("y" * 39, f"'{'y' * 36}..."), ([1], "[1]")],
)
def test_what_anybody_may_have_written(value, said):
    assert quoted(value) == said


@pytest.mark.parametrize(
    ("count", "said"),
    [(0, "0 B"), (1, "1 B"), (999, "999 B"), (1000, "1.0 kB"), (9949, "9.9 kB"), (999_499, "999 kB"), (999_500, "1.0 MB"),
     (260e6, "260 MB"), (1.5e9, "1.5 GB"), (2e12, "2.0 TB"), (5e15, "5000 TB")],
)  # fmt: skip
def test_bytes(count, said):
    assert size(count) == said
