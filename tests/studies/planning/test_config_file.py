"""``config``: a whole configuration in one file, and what is given beside it wins."""

import json

import pytest
import yaml
from helpers.refusals import refused

import search
import studies
from finetune.arguments import as_options
from finetune.errors import UserError
from spaces import SPACES
from studies.planning.config_file import ALIASES, chosen, flat
from studies.planning.plain_yaml import Loader
from studies.planning.request import GROUPS, fields, request_of
from studies.planning.resolve import resolve
from studies.running.command import command_of


@pytest.fixture
def write(tmp_path):
    def write(text, name="recipe.yaml"):
        path = tmp_path / name
        path.write_text(text)
        return str(path)

    return write


def asked(path, **given):
    return request_of({"config": path, **given})


RECIPE = """
method: fgm
trials: 7
metric: macro_f1
settings: {epsilon: 0.7, start_epoch: 1, norm: token}
set: {combine: sum}
space: {epsilon: 0.1:3:log}
tune: [weight_decay]
recipe: {epochs: 4, learning_rate: 5e-3, average: ema}
data: {max_train_rows: 60}
"""


def test_every_argument_can_stand_in_it_in_its_block_or_without(write):
    request = asked(write(RECIPE))
    assert (request.aim.method, request.aim.trials, request.aim.metric) == (("fgm",), 7, "macro_f1")
    assert (request.recipe.epochs, request.recipe.learning_rate, request.recipe.average) == (4, 0.005, "ema")
    assert (request.data.max_train_rows, request.aim.tune) == (60, ("weight_decay",))
    flat = RECIPE.replace("recipe: {", "").replace("data: {", "").replace("ema}", "ema").replace(": 60}", ": 60")
    lines = [line for part in flat.splitlines() for line in (part.split(", ") if part.startswith("epochs") else [part])]
    assert asked(write("\n".join(lines), "flat.yaml")).recipe == request.recipe


def test_settings_are_tried_first_and_those_that_are_not_searched_are_fixed(write):
    [job] = resolve(asked(write(RECIPE)))
    assert job.starts == [{"epsilon": 0.7, "start_epoch": 1, "weight_decay": 0.01}]
    assert job.plan.fixed == {"norm": "token", "combine": "sum"}
    assert job.plan.space["epsilon"].low == 0.1
    assert as_options(job.notes([{}, {}])[0]).endswith("trial 1 the settings of --config")


def test_what_is_given_beside_it_wins_and_is_said(write):
    request = asked(write(RECIPE), epochs=3, set={"combine": "mean", "norm": "example"}, trials=7)
    assert (request.recipe.epochs, request.aim.set) == (3, {"combine": "mean", "norm": "example"})
    [line] = request.notes
    assert as_options(line).endswith("recipe.yaml: epochs 4 is now 3")


def test_ranges_of_both_count_and_the_given_ones_later(write):
    start = {"method": "fgm", "settings": {"epsilon": 0.8}}
    request = asked(write(RECIPE), space={"epsilon": "0.6:0.9"}, set={"start_epoch": 0}, start=start)
    assert request.aim.start == ({"method": "fgm", "settings": {"epsilon": 0.7}}, start)
    assert request.aim.space == ({"epsilon": "0.1:3:log"}, {"epsilon": "0.6:0.9"})
    assert request.aim.set == {"combine": "sum", "norm": "token", "start_epoch": 0}
    [job] = resolve(request)
    assert (job.plan.space["epsilon"].low, job.plan.space["epsilon"].high) == (0.6, 0.9)


def test_usual_values_of_the_built_in_encoder_are_a_choice_for_another_model(write):
    values = {"epochs": 6, "learning_rate": 4e-3, "threads": 1}
    usual = {"batch_size": 16, "warmup": 0.1, "pooling": "stock", "label_column": ["label"]}
    assert chosen(values | usual, True) == chosen(values | usual, False) == values


def test_what_best_yaml_records_is_no_argument(write):
    lines = []
    records = {"format": 1, "recorded": {"value": 1.0}, "confirmed": {}, "front": [1], "metric_source": "def f(): ..."}
    assert flat(records | {"epochs": 2, "data": {"task": "reviews", "data": None}}, GROUPS, "", lines) == {
        "epochs": 2,
        "task": "reviews",
    }
    assert lines == []


def test_a_mark_of_the_byte_order_before_the_text_is_no_part_of_a_name(write):
    assert asked(write("\ufeffmethod: fgm\nepochs: 2\n")).aim.method == ("fgm",)


def test_another_method_leaves_out_what_belongs_to_the_first(write):
    request = asked(write(RECIPE), method="awp")
    assert (request.aim.method, request.aim.set, request.aim.start, request.aim.space) == (("awp",), {}, (), ())
    assert request.recipe.epochs == 4
    assert "settings, set and space of fgm left out" in str(request.notes[0])


@pytest.mark.parametrize("asked_for", [("fgm", "awp"), ("awp", "fgm", "r3f"), ("all",)])
def test_with_several_methods_the_settings_are_tried_first_by_their_own(write, asked_for):
    text = RECIPE.replace("norm: token", "norm: example").replace("tune: [weight_decay]\n", "")
    request = asked(write(text), method=asked_for)
    assert (request.aim.set, request.aim.space) == ({}, ())
    assert request.aim.start == ({"method": "fgm", "settings": {"epsilon": 0.7, "start_epoch": 1, "norm": "example"}},)
    assert f"set and space of fgm left out, because method is {','.join(asked_for)}" in str(request.notes[0])


def test_several_other_methods_leave_out_the_settings_too(write):
    request = asked(write(RECIPE), method=("awp", "r3f"))
    assert (request.aim.set, request.aim.start, request.aim.space) == ({}, (), ())


def test_another_source_of_rows_replaces_all_of_its_own(write, tmp_path):
    for name in ("one.csv", "two.csv"):
        (tmp_path / name).write_text("text,label\n")
    text = f"train_file: {tmp_path / 'one.csv'}\ntest_file: {tmp_path / 'one.csv'}\ntext_column: body\n"
    data = asked(write(text), train_file=str(tmp_path / "two.csv")).data
    assert (data.train_file, data.test_file, data.text_column) == (str(tmp_path / "two.csv"), None, "body")
    assert asked(write(text), task="reviews").data.train_file is None


def test_names_of_the_trainer_and_of_competitions_are_read_and_said(write):
    own = "settings: {awp_lr: 1e-4, nth_awp_start_epoch: 1}\nrange: {awp_eps: 0.1:0.2}\n"
    request = asked(write(f"max_len: 64\nnum_train_epochs: 3\n{own}"))
    assert (request.recipe.max_length, request.recipe.epochs) == (64, 3)
    assert request.aim.space == ({"adv_eps": "0.1:0.2"},)
    assert request.aim.start == ({"method": "awp", "settings": {"adv_lr": 1e-4, "start_epoch": 1}},)
    assert "max_len is read as max_length" in str(request.notes[0])


def test_every_other_name_is_that_of_an_argument_or_a_setting():
    settings = {name for space in SPACES.values() for name in space} | {"start_epoch"}
    assert set(ALIASES.values()) <= {name for name, _ in fields()} | settings
    assert not set(ALIASES) & ({name for name, _ in fields()} | settings)


def test_values_are_those_of_yaml_1_2():
    text = "a: 5e-5\nb: 1:30\nc: no\nd: 010\ne: '007'\nf: 1_000\ng: ~\nh: [true, .5, -3]\ni: 2024-01-01\nj: 1.0e+3"
    assert yaml.load(text, Loader) == {
        "a": 5e-5, "b": "1:30", "c": "no", "d": 10, "e": "007", "f": "1_000", "g": None, "h": [True, 0.5, -3],
        "i": "2024-01-01", "j": 1000.0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("epocs: 3", "epocs is not an argument; did you mean 'epochs'?"),
        ("adv_lr: 3", "settings of a method stand below settings: (tried first) or set:"),
        ("config: other.yaml", "config is not an argument"),
        ("epochs: 3\nepochs: 4", "epochs stands twice, again in line 2"),
        ("epochs: 3\nrecipe: {epochs: 4}", "epochs stands twice; leave one out"),
        ("max_len: 3\nmax_length: 4", "max_length stands twice"),
        ("set:\n  K: 3\n  K: 4", "K stands twice, again in line 3"),
        ("epochs: three", "--epochs is 'three'"),
        ("epochs: 0.5", "--epochs is 0.5"),
        ("settings: 3", "settings is not a mapping"),
        ("set: [K, 3]", "set is not a mapping"),
        ("recipe: fast", "recipe is not an argument"),
        ("- epochs", "is not a mapping"),
        ("", "is not a mapping"),
        ("epochs: [", "cannot be read"),
        ("epochs: \x00", "cannot be read"),
        ("metric: !!python/name:os.system", "cannot be read: could not determine a constructor"),
        ("method: fgm\nsettings: {epsilo: 1}", "fgm has no setting 'epsilo'; did you mean 'epsilon'?"),
        ("method: fgn\nsettings: {epsilon: 1}", "unknown method 'fgn'; did you mean 'fgm'?"),
        ("method: fgm\nsettings: {epsilon: 99}", "recipe.yaml: settings: epsilon 99 is outside the searched 0.05:5:log"),
    ],
)
def test_what_is_wrong_is_named_and_nothing_is_written(text, words, write, capsys, tmp_path, monkeypatch):
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    assert words in refused(capsys, "--config", write(text))


def test_files_that_are_none(tmp_path, monkeypatch, capsys):
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x01")
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    assert "there is no such file" in refused(capsys, "--config", "nowhere.yaml")
    assert "cannot be read" in refused(capsys, "--config", str(tmp_path / "binary.yaml"))
    assert "cannot be read" in refused(capsys, "--config", str(tmp_path))


def test_json_is_read_too(write):
    assert asked(write(json.dumps({"method": ["fgm"], "epochs": 2}), "recipe.json")).recipe.epochs == 2


def test_the_command_that_goes_on_names_the_file(write):
    path = write(RECIPE)
    assert command_of(asked(path, epochs=3), as_options) == f"python search.py --config {path} --epochs 3"


def test_a_search_leaves_a_best_yaml_that_begins_another(write, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = write("method: fgm\nset: {combine: sum}\nrecipe: {epochs: 2, average: ema}\ndata: {max_train_rows: 40}\n")
    first = studies.search(config=path, trials=2, max_validation_rows=60, progress=False)
    assert first.best.settings["combine"] == "sum"
    assert search.run(["--config", "runs/reviews-fgm/best.yaml", "--trials", "2", "--study", "again"]) == 0
    said = capsys.readouterr().out
    assert ("trial 1 the settings of --config" in said) == (first.best.number > 0)
    second = studies.load(study="again")
    assert first.best.value in list(second.to_frame()["accuracy"])
    assert search.run(["check", "--config", path, "--max-train-rows", "20"]) == 0
    said = capsys.readouterr().out
    assert "max_train_rows 40 is now 20" in said
    assert "fgm (Miyato et al. 2017): start_epoch=0" in said
    assert "combine=sum" in said


def test_own_loops_take_no_config():
    with pytest.raises(UserError, match="there is no argument 'config'"):
        studies.tune(lambda run: 0.0, epochs=2, config="recipe.yaml")


def test_what_did_nothing_in_the_trial_of_a_best_yaml_is_left_out(write):
    drawn = [
        "average: none, half_life: 0.05",
        "pooling: stock, multi_sample: 4",
        "freeze_embeddings: true, freeze_layers: 2",
        "pooling: max, head_dropout: 0.0, multi_sample: 4",
        "loss: null, focal_gamma: 1.0",
    ]
    for text in drawn:
        body = f"method: fgm\nrecipe: {{{text}}}\n"
        with pytest.raises(UserError, match=r"only has an effect|does nothing"):
            resolve(asked(write(body)))
        [job] = resolve(asked(write(body + "recorded: {value: 0.5}\n")))
        assert (job.plan.recipe.half_life, job.plan.recipe.multi_sample, job.plan.recipe.focal_gamma) == (0.02, 1, 2.0)
        assert not job.plan.recipe.freeze_embeddings
    assert asked(write("recipe: {average: ema, half_life: 0.05}\nrecorded: {value: 0.5}\n")).recipe.half_life == 0.05
