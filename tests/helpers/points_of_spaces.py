"""What lies in a space."""

from hypothesis import strategies as st
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution


def points(space):
    """Any point of a space."""
    drawn = {}
    for name, dist in space.items():
        if isinstance(dist, IntDistribution):
            drawn[name] = st.integers(dist.low, dist.high)
        elif isinstance(dist, FloatDistribution):
            drawn[name] = st.floats(dist.low, dist.high)
        else:
            drawn[name] = st.sampled_from(dist.choices)
    return st.fixed_dictionaries(drawn)


def ends(dist):
    return dist.choices if isinstance(dist, CategoricalDistribution) else (dist.low, dist.high)
