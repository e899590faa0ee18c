import pytest

from finetune.arguments import as_arguments, as_options
from studies.planning.request import request_of
from studies.running.command import command_of


@pytest.mark.parametrize(
    ("given", "options", "call"),
    [
        ({}, "", ""),
        ({"method": ("awp",), "trials": 100}, " --method awp --trials 100", "method='awp', trials=100"),
        ({"method": ("fgm", "pgd")}, " --method fgm,pgd", "method=['fgm', 'pgd']"),
        ({"set": {"K": 3, "combine": "sum"}}, " --set K=3 --set combine=sum", "set={'K': 3, 'combine': 'sum'}"),
        (
            {"space": ({"adv_eps": (1e-4, 0.1, "log")},)},
            " --range adv_eps=0.0001:0.1:log",
            "space={'adv_eps': [0.0001, 0.1, 'log']}",
        ),
        ({"tune": ("learning_rate", "epochs")}, " --tune learning_rate,epochs", "tune=['learning_rate', 'epochs']"),
        ({"prefix_reuse": False}, " --no-prefix-reuse", "prefix_reuse=False"),
        ({"accept_versions": True}, " --accept-versions", "accept_versions=True"),
        ({"study": "two words; rm -rf /"}, " --study 'two words; rm -rf /'", "study='two words; rm -rf /'"),
        ({"from_study": "old"}, " --from old", "from_study='old'"),
        (
            {"storage": "postgresql://me:secret@db/x"},
            " --storage 'postgresql://me:***@db/x'",
            "storage='postgresql://me:***@db/x'",
        ),
    ],
)
def test_the_command_is_what_was_typed(given, options, call):
    asked = request_of(given)
    assert command_of(asked, as_options) == f"python search.py{options}"
    if given:
        assert command_of(asked, as_arguments) == f"search({call})"
        assert command_of(asked, as_arguments, "my.module.train") == f"tune(train, {call})"


def test_a_loop_needs_to_know_more():
    asked = request_of({"method": ("sam",), "epochs": 2})
    more = {"direction": "minimize", "metric": "it's", "data": "rows of May"}
    call = command_of(asked, as_arguments, "train", more)
    assert call == """tune(train, method='sam', epochs=2, direction='minimize', metric="it's", data='rows of May')"""
    assert eval(call, {"tune": lambda *_, **given: given, "train": None}) == {"method": "sam", "epochs": 2} | more
