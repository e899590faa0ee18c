"""Settings under the names of competition code."""

import pytest
from helpers.made_up_studies import made
from helpers.scripts_to_run import best_of_file

from finetune.config import Data
from finetune.folds import Folds
from studies.planning.identity import KEY
from studies.results.export import best_of, writer_of
from studies.results.scripts.cfg import as_cfg
from studies.results.summary import summarise

DATA = Data(train_file="rows.csv")


def read(text):
    """The class, and the comments."""
    here = {}
    exec(text[text.index("class CFG:") :].split("\n\n")[0], here)
    return here["CFG"], [line for line in text.splitlines() if line.startswith("#")]


def best(method, settings, **recipe):
    return best_of_file(DATA, "accuracy", method, settings, model="some/model", **recipe)


def test_awp_has_the_names_of_its_usual_class():
    text = as_cfg(best("awp", {"adv_lr": 1e-4, "adv_eps": 1e-3, "start_epoch": 2}, epochs=4, precision="fp16"))
    found, said = read(text)
    assert (found.awp_lr, found.awp_eps, found.nth_awp_start_epoch, found.adv_step) == (1e-4, 1e-3, 2, 1)
    assert found.adv_param == "weight"
    assert (found.encoder_lr, found.decoder_lr, found.max_len, found.apex) == (1e-3, 1e-3, 24, True)
    assert not any("The search had" in line for line in said)
    for name in ("awp_lr", "awp_eps", "nth_awp_start_epoch", "adv_step", "adv_param"):
        assert f"CFG.{name}" in text


@pytest.mark.parametrize(
    ("method", "settings", "names"),
    [
        ("fgm", {"epsilon": 0.7, "combine": "sum"}, {"epsilon": 0.7, "emb_name": "word_embeddings", "start_epoch": 0}),
        (
            "pgd",
            {"epsilon": 1.0, "alpha": 0.3, "K": 2, "combine": "sum", "emb_name": "tok_embeddings"},
            {"epsilon": 1.0, "alpha": 0.3, "K": 2, "emb_name": "tok_embeddings"},
        ),
        ("smart", {"reg_weight": 3.0}, {"reg_weight": 3.0}),
        ("none", {}, {"epochs": 1, "seed": 0}),
    ],
)
def test_other_methods(method, settings, names):
    text = as_cfg(best(method, settings))
    found, said = read(text)
    assert {name: getattr(found, name) for name in names} == names
    assert ("no usual class" in text) == (method in ("smart", "none"))
    assert not any("The search had" in line for line in said)
    compile(text, "cfg", "exec")


@pytest.mark.parametrize(
    ("method", "settings", "recipe", "words"),
    [
        ("fgm", {"epsilon": 0.7, "norm": "token"}, {}, "The search had norm='token'; the usual class computes 'matrix'"),
        ("fgm", {"epsilon": 0.7, "combine": "mean"}, {}, "The search had combine='mean'; the usual class computes 'sum'"),
        ("awp", {"combine": "mean"}, {}, "computes 'replace'"),
        ("awp", {"same_dropout": False}, {}, "The search had same_dropout=False, which the usual class does not have"),
        ("awp", {"start_epoch": 1.5}, {"epochs": 3}, "step / len(train_loader)"),
        ("fgm", {"epsilon": 1.0}, {"pooling": "mean", "average": "ema"}, "also had average='ema', pooling='mean'"),
        ("fgm", {"epsilon": 1.0}, {"precision": "bf16"}, "precision='bf16'"),
    ],
)
def test_what_the_usual_class_does_not_do_is_said(method, settings, recipe, words):
    assert words in as_cfg(best(method, settings, **recipe))


def test_the_settings_of_a_loop_of_one_s_own():
    study = made("CCC")
    about = study.user_attrs[KEY]
    study.set_user_attr(KEY, about | {"data": {"loop": "here.train"}, "recipe": {"epochs": 4, "seed": 7, "rate": 0.5}})
    found, _ = read(writer_of("cfg")(best_of(summarise(study))))
    assert (found.epochs, found.rate) == (4, 0.5)
    with pytest.raises(Exception, match=r"format='trainer': study .* is of your own loop, here.train; format='python'"):
        writer_of("trainer")(best_of(summarise(study)))


def test_folds_have_their_names_too():
    text = as_cfg(best("fgm", {"epsilon": 1.0}).model_copy(update={"folds": Folds(folds=4, seeds=2)}))
    found, said = read(text)
    assert (found.n_fold, found.trn_fold) == (4, [0, 1, 2, 3])
    assert "over its folds and seeds" in said[0]


def test_names_of_studies_stay_comments():
    found = best("fgm", {"epsilon": 1.0})
    found = found.model_copy(update={"recorded": found.recorded.model_copy(update={"study": "a\nimport os"})})
    assert "\nimport os" not in as_cfg(found)
