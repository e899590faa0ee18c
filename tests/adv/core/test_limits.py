"""What a method knows of its own bounds: its reach, which settings had no effect, and whether it is a control."""

from dataclasses import dataclass

import pytest

from adv import AWP, FGM, METHODS, MIFGM, PGD, YOPO, FreeAT, FreeLB, Reach
from adv.core.settings import setting


@pytest.mark.parametrize(
    ("method", "length", "terms"),
    [
        (PGD(alpha=0.3, K=3, epsilon=1.0), 0.9, "K * alpha"),
        (MIFGM(alpha=0.2, K=4), 0.8, "K * alpha"),
        (FreeLB(alpha=0.1, K=3, init_mag=0.0), 0.2, "(K - 1) * alpha"),
        (FreeLB(alpha=0.1, K=3, init_mag=0.3), 0.2 + 0.3 / 3**0.5, "(K - 1) * alpha + init_mag / sqrt(3)"),
        (YOPO(alpha=0.1, K=2, n=3), 0.6, "K * alpha * n"),
    ],
)
def test_the_reach_is_the_sum_of_the_steps(method, length, terms):
    assert method.reach() == (pytest.approx(length), terms, method.epsilon, "epsilon")


@pytest.mark.parametrize("method", [FGM(), AWP(attack="pgd"), FreeAT()])
def test_no_reach_is_told_where_steps_do_not_bound_it(method):
    assert method.reach() is None


def test_a_class_with_other_steps_has_no_reach_until_it_says_one():
    @dataclass(kw_only=True)
    class Longer(PGD):
        def ascend(self, shift, gradient, ball, passes):
            return ball.climb(shift, gradient, 5 * self.alpha, self.epsilon)

    @dataclass(kw_only=True)
    class Renamed(PGD):
        extra: float = setting(0.0, "of its own")

    @dataclass(kw_only=True)
    class Told(Longer):
        def reach(self):
            return super().reach() or Reach(5 * self.alpha * self.K, "5 * K * alpha", self.epsilon, "epsilon")

    assert Longer().reach() is None
    assert Longer().limits(0.0) == {}
    assert list(Renamed().limits(0.0)) == ["epsilon"]
    assert Renamed(alpha=0.3, K=3).reach().length == pytest.approx(0.9)
    assert Told(alpha=0.1, K=2).reach() == (pytest.approx(1.0), "5 * K * alpha", Told().epsilon, "epsilon")


@pytest.mark.parametrize(
    ("base", "step"), [(AWP, "move"), (YOPO, "passes"), (PGD, "steps"), (FreeAT, "finish"), (PGD, "find")]
)
def test_any_step_of_one_s_own_ends_what_the_base_says(base, step):
    own = type("Own", (base,), {step: getattr(base, step)})
    assert own().reach() is None
    assert [own().limits(share) for share in (0.0, 0.5, 1.0)] == [{}] * 3


def test_limits_name_the_setting_that_had_no_effect():
    assert list(PGD().limits(0.0)) == ["epsilon"]
    assert PGD().limits(0.01) == {}
    assert [list(AWP().limits(share)) for share in (0.0, 0.5, 0.99)] == [["adv_eps"], [], ["adv_lr"]]
    assert FGM().limits(0.0) == {}


def test_the_controls_say_so():
    assert {name for name, kind in METHODS.items() if kind.control} == {"random", "random_weights"}


def test_which_methods_know_their_limits():
    in_a_ball = {"pgd", "mifgm", "freeat", "yopo", "freelb", "tavat", "creat", "smart"}
    in_a_box = {"awp", "random_weights"}
    assert {name for name, kind in METHODS.items() if "epsilon" in kind().limits(0.0)} == in_a_ball
    assert {name for name, kind in METHODS.items() if "adv_lr" in kind().limits(1.0)} == in_a_box
    assert {name for name, kind in METHODS.items() if kind().reach()} == in_a_ball - {"freeat", "tavat"}
