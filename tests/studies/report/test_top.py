"""The top of the report: the answer, the numbers, the dots, what to copy; and how it was run."""

import json
import re
import shlex
from html.parser import HTMLParser
from types import SimpleNamespace

import pytest
import yaml
from helpers.made_up_studies import CLEAN, made, summary
from helpers.plain_studies import plain_study, plain_summary
from helpers.report_pages import Page, Words
from optuna.distributions import CategoricalDistribution, FloatDistribution

from finetune.arguments import as_options
from studies.planning.calibrated import CALIBRATED
from studies.planning.identity import KEY, MACHINE
from studies.report.answer import answer, strip, tiles
from studies.report.files import report_text, write_report
from studies.report.panels import PANELS
from studies.report.ran import command, cost
from studies.report.rendering import coded
from studies.results.careful import careful
from studies.results.importance import Finding
from studies.results.summary import summarise

EPS = {"adv_eps": FloatDistribution(1e-4, 0.3, log=True)}
BAD = "</script><script>alert(1)</script>"


@pytest.fixture(autouse=True)
def _small(monkeypatch):
    """Pages without the four megabytes of plotly.js, which these tests would only parse; other tests look for it."""
    monkeypatch.setattr("studies.report.files.get_plotlyjs", lambda: "")


@pytest.fixture(scope="module")
def full():
    return summary("C" * 12 + "PFCPC")


class Outline(HTMLParser):
    """Levels of headings in order, ids, and parts that name something by an id."""

    def __init__(self, text):
        super().__init__()
        self.levels, self.ids, self.named, self.roles = [], [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        attrs = dict(attrs)
        if re.fullmatch("h[1-6]", tag):
            self.levels.append(int(tag[1]))
        self.ids += [attrs["id"]] if "id" in attrs else []
        self.named += [
            attrs[name] for name in ("aria-labelledby", "aria-describedby", "data-copy", "data-figure") if name in attrs
        ]
        self.named += [attrs["href"][1:]] if attrs.get("href", "").startswith("#") else []
        self.roles += [(tag, attrs)]


@pytest.mark.parametrize("states", ["", "F", "C", "C" * 12 + "PFCPC"])
def test_headings_are_in_order_and_every_name_is_there(states):
    found = Outline(report_text(summary(states)))
    assert found.levels[0] == 1
    assert found.levels.count(1) == 1
    assert all(after - before <= 1 for before, after in zip(found.levels, found.levels[1:], strict=False))
    assert len(found.ids) == len(set(found.ids))
    assert set(found.named) <= set(found.ids)


def test_heads_of_tables_say_what_they_head(full):
    found = Outline(report_text(full))
    assert all(attrs.get("scope") in ("col", "row") for tag, attrs in found.roles if tag == "th")


def test_each_figure_says_in_words_what_it_shows(full):
    found, text = full, report_text(full)
    labels = {attrs["id"]: attrs["aria-label"] for tag, attrs in Outline(text).roles if "plot" in attrs.get("class", "")}
    panels = {name: panel for name, panel in PANELS.items() if name not in ("rivals", "parts", "front")}
    assert set(labels) == {f"figure-{name}" for name in panels}
    for name, panel in panels.items():
        assert labels[f"figure-{name}"].endswith(panel.finding(found))
    assert re.search(
        r"\d+ of 14 complete trials beat clean training; the best, 0\.8\d+, is trial \d+\.", labels["figure-history"]
    )
    assert f"to {CLEAN} after epoch 4." in labels["figure-epochs"]


@pytest.mark.parametrize(("states", "space"), [("", None), ("F", {}), ("P", EPS), ("C", None), ("CC", EPS), ("CC", {})])
def test_any_study_has_findings_in_words(states, space):
    for panel in PANELS.values():
        if panel.draw(found := summary(states, space)) is not None:
            assert panel.finding(found).endswith(".")


def rows(*values):
    return [(value, {"adv_eps": 1e-3}) for value in values]


@pytest.mark.parametrize(
    ("values", "options", "said"),
    [
        pytest.param(
            [0.83, 0.81], {}, "awp reaches accuracy 0.8300 (trial 0) where clean training reaches 0.8000", id="gain"
        ),
        pytest.param([0.8], {}, "Clean training reaches accuracy 0.8000, and none of 1 complete trial", id="equal"),
        pytest.param([0.7, 0.6], {}, "the best, accuracy 0.7000 (trial 0), is worse than it", id="worse"),
        pytest.param([None], {}, "No trial of awp is complete; clean training reaches accuracy 0.8000.", id="failed"),
        pytest.param([], {}, "No trial of awp is complete", id="none"),
        pytest.param([0.5, 0.9], {"maximize": False, "metric": "rmse"}, "0.3000 better", id="an error"),
    ],
)
def test_the_first_sentence_is_what_was_reached(values, options, said):
    assert said in answer(plain_summary(rows(*values), EPS, **options))[0]


@pytest.mark.parametrize(
    ("values", "options", "said"),
    [
        (
            [0.83, 0.81],
            {"noise": 0.01},
            "The best of 2 trials looks better than it is, and this gain is 3.0 times the noise",
        ),
        ([0.83, 0.81], {"noise": 0.05}, "this gain is smaller than the noise of one run (0.0500)"),
        ([0.83], {}, "One run may be luck: what is left of it on new seeds is measured by search.py confirm --study plain."),
        ([0.83], {"name": "it's <odd>"}, "search.py confirm --study "),
        ([0.7], {"noise": 0.01}, "There is no gain to confirm"),
    ],
)
def test_the_second_is_how_far_to_trust_it(values, options, said):
    assert said in answer(plain_summary(rows(*values), EPS, **options))[1]


def test_a_study_name_is_typed_as_a_shell_takes_it():
    line = answer(plain_summary(rows(0.83), EPS, name="it's <odd> $x"))[1]
    assert shlex.split(line.split("measured by ")[1].removesuffix("."))[-1] == "it's <odd> $x"


@pytest.mark.parametrize(
    ("findings", "said"),
    [
        (
            [("adv_eps", "breaks"), ("adv_eps", "improves")],
            "adv_eps decides whether training breaks and how good the other trials are.",
        ),
        ([("adv_lr,adv_eps", "breaks")], "adv_lr and adv_eps together decide whether training breaks."),
        ([("adv_lr", "improves"), ("K", "improves")], "adv_lr and K decide how good the other trials are."),
    ],
)
def test_the_third_is_which_settings_matter(findings, said):
    found = plain_summary(rows(0.83), EPS)
    made_up = [Finding(tuple(names.split(",")), question, 0.5, 0.3, 0.7, 0.1, True) for names, question in findings]
    found.__dict__["matters"] = found.matters._replace(findings=made_up)
    assert answer(found)[2] == said
    none = [Finding(("adv_lr",), "breaks", 0.05, 0.0, 0.1, 0.1, False)]
    found.__dict__["matters"] = found.matters._replace(findings=none)
    assert answer(found)[2] == "Which settings matter cannot be told from 1 trial."


def test_the_numbers_stand_beside_each_other():
    def told(found):
        return [tile["value"] for tile in tiles(found)], tiles(found)[2]["name"]

    assert told(plain_summary(rows(0.83), EPS)) == (["0.8300", "0.8000", "0.0300"], "better by, on one seed")
    assert told(plain_summary(rows(0.7), EPS)) == (["0.7000", "0.8000", "0.1000"], "worse by, on one seed")
    assert told(plain_summary([], EPS)) == (["–", "0.8000", "–"], "better by, on one seed")


@pytest.mark.parametrize("maximize", [True, False])
def test_each_complete_trial_is_a_dot_and_the_best_and_clean_are_where_they_are(maximize):
    values = [0.83, 0.81, 0.79, 0.8, 0.05] if maximize else [0.77, 0.79, 0.81, 0.8, 5.0]
    found = strip(plain_summary(rows(*values, None), EPS, noise=0.001, maximize=maximize))
    assert len(found["dots"]) == 5
    assert all(0 <= left <= 100 and 0 <= up <= 60 for left, up in found["dots"])
    low, high = map(float, found["ends"])
    assert found["clean"] == pytest.approx(100 * (0.8 - low) / (high - low), abs=0.5)
    assert found["best"] == pytest.approx(100 * (values[0] - low) / (high - low), abs=0.5)
    assert found["words"] == "2 of 5 complete trials beat clean training"
    assert strip(plain_summary(rows(None), EPS)) is None
    assert strip(plain_summary(rows(0.8, 0.8), EPS, clean=(0.8, 0.8)))["dots"]


def test_the_best_settings_can_be_copied_and_read_again(tmp_path):
    text = write_report(summary("CCC", name="a 'b' <c>"), tmp_path).read_text()
    found, page = summary("CCC"), Outline(text)
    buttons = [attrs for tag, attrs in page.roles if tag == "button"]
    assert {attrs["data-copy"] for attrs in buttons} == {"config-1", "config-2", "config-file", "command"}
    assert all(attrs["type"] == "button" and "hidden" in attrs for attrs in buttons)  # shown by the script
    whole = re.search(r'<pre id="config-file">(.*?)</pre>', text, re.DOTALL)[1]
    settings = yaml.safe_load(Words(whole).words[0] if "&" not in whole else "".join(Words(whole).words))["settings"]
    assert settings == found.best.params
    assert any(attrs.get("aria-live") == "polite" for _, attrs in page.roles)
    assert "data-copy" not in report_text(summary("F")).split("<script>")[0].replace('data-copy="command"', "")


def test_warnings_stand_before_everything_they_touch(full):
    found, text = full, report_text(full)
    assert careful(found)
    for line in careful(found):
        assert as_options(line)[1:] in Words(text).text
    assert text.index('id="careful"') < text.index('id="matters"')
    assert 'id="careful"' not in report_text(plain_summary(rows(0.83), EPS, clean=(0.8, 0.8)))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("try --epochs 8 --study x.", "try <code class=whole>--epochs 8</code> <code class=whole>--study x</code>."),
        ("a < b & --set 'K=3'; then", "a &lt; b &amp; <code class=whole>--set &#39;K=3&#39;</code>; then"),
        ("well-known and a--b", "well-known and a--b"),
        ("<script>", "&lt;script&gt;"),
        ("with --study " + "n" * 40, "with <code>--study " + "n" * 40 + "</code>"),
        ("search.py confirm --study x", "<code class=whole>search.py confirm</code> <code class=whole>--study x</code>"),
        ("--range a=1:2:log, or", "<code class=whole>--range a=1:2:log</code>, or"),
    ],
)
def test_commands_in_sentences_are_code(text, expected):
    assert coded(text) == expected


def test_the_command_makes_the_same_study():
    study = made("CCC", fixed={"adv_step": 2}, name="mine", explore=5, metric="mcc")
    line = command(summarise(study))
    assert line == (
        "python search.py --method awp --trials 3 --metric mcc --set adv_step=2 --study mine --epochs 4 --seed 7 --explore 5"
        " --no-calibrate"  # the study was made in its declared ranges
    )
    study.set_user_attr(CALIBRATED, {"names": ["adv_lr", "adv_eps"], "ranges": {"adv_eps": [0.001, 0.1]}, "why": "measured"})
    assert command(summarise(study)) == line.removesuffix(" --no-calibrate")
    # The user gave one of them, with the declared range: it would be measured otherwise.
    study.set_user_attr(CALIBRATED, {"names": ["adv_lr"], "ranges": {"adv_lr": [0.001, 0.1]}, "why": "measured"})
    assert "--range adv_eps=0.0001:0.3:log --study mine" in command(summarise(study))
    space = {"adv_eps": FloatDistribution(1e-4, 0.1, log=True), "learning_rate": FloatDistribution(1e-5, 1e-3, log=True)}
    line = command(plain_summary([], space | {"combine": CategoricalDistribution(["mean"])}))
    assert "--tune learning_rate" in line
    assert "--range adv_eps=0.0001:0.1:log" in line
    assert command(plain_summary([], {}, about={"data": {"loop": "mine.train"}})) is None


def test_what_it_cost_is_in_plain_units():
    found = cost(summary("CCPF"))
    assert found["Clean training"] == "6 s"
    assert found["A step of the best"] == "2.00 times a clean step, by its passes"
    assert "of training" in found["All trials"]
    assert list(cost(plain_summary([], EPS))) == ["Clean training"]


def test_machine_and_versions_are_told_as_far_as_they_are_known(tmp_path):
    study = plain_study(rows(0.83), EPS, attrs={MACHINE: f"Linux <x86> {BAD}"})
    study.set_user_attr(KEY, study.user_attrs[KEY] | {"device": "cpu"})
    page = Page(write_report(summarise(study), tmp_path))
    assert "Machine Device cpu Machine Linux <x86>" in page.text
    assert "Machine Device" not in Page(write_report(summary("C"), tmp_path)).text


def test_specifications_of_figures_end_no_script():
    found = summary("CCCF", {BAD: FloatDistribution(0.0, 1.0)}, metric=BAD, failure=BAD, name=BAD)
    specs = re.findall(r'<script type="application/json" data-figure="[^"]*">(.*?)</script>', report_text(found), re.DOTALL)
    assert len(specs) > 2
    assert all(json.loads(spec)["data"] for spec in specs)


def test_a_confirmation_has_its_part_and_is_the_second_sentence(monkeypatch):
    found = plain_summary(rows(0.83), EPS)
    assert 'id="confirmed"' not in report_text(found)
    lines = [
        "verdict: better. best (trial 0) is better on 8 seeds",
        "against <b>clean</b>: +0.0210",
        "It costs 2.00x.",
    ]
    one_seed, none = SimpleNamespace(low=None), SimpleNamespace(trial=None)
    found.__dict__["confirmed"] = SimpleNamespace(lines=lines, winner=none, parts=None, clean=one_seed)
    monkeypatch.setattr("studies.results.export.record_of", lambda confirmed: {})
    text = report_text(found)
    assert answer(found)[1] == "Verdict: better. best (trial 0) is better on 8 seeds."
    assert text.index('id="config"') < text.index('<h2 id="confirmed"') < text.index('<h2 id="matters"')
    assert 'href="#confirmed"' in text
    assert "Against <b>clean</b>: +0.0210. It costs 2.00x." in Words(text).text
