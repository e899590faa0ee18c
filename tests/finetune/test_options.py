"""Every field of a configuration is an option of the commands that train, declared once."""

import re

import pytest

import search
from finetune import config, options


@pytest.mark.parametrize("group", ["Data", "Recipe"])
def test_every_field_is_an_option_and_every_option_a_field(group):
    assert set(options.names(getattr(options, group))) == set(getattr(config, group).model_fields)


def offered(capsys, *command):
    assert search.run([*command, "--help"]) == 0
    return set(re.findall(r"--([a-z-]+)", capsys.readouterr().out))


def test_search_and_check_offer_them(capsys):
    fields = {name.replace("_", "-") for kind in (config.Data, config.Recipe) for name in kind.model_fields}
    assert fields <= offered(capsys)
    idle = {"average", "half-life", "swa-start", "swa-lr"}
    assert fields & offered(capsys, "check") == fields - idle


def test_a_command_keeps_its_own_options_and_their_order():
    @options.takes(options.Data, without=("task",))
    def command(ctx, first: str = "a", **shared):
        return first, shared

    given = list(command.__signature__.parameters)
    assert given == ["ctx", "first", *(name for name in config.Data.model_fields if name != "task")]
    assert command(None, text_column="x") == ("a", {"text_column": "x"})
