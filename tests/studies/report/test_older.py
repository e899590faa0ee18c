import json

import numpy as np
import plotly.graph_objects as go
import pytest

from studies.report.older import Older


@pytest.mark.parametrize(
    "values",
    [
        np.array([1.5, -2.0]),
        np.array([1, 2], np.int16),
        np.array([0.25], np.float32),
        np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]),
        np.array([], float),
        np.array(["a", "b"]),
        [1.0, None],
    ],
)
def test_arrays_become_lists(values):
    figure = json.loads(Older(go.Figure(go.Heatmap(z=values) if np.ndim(values) == 2 else go.Bar(y=values))).to_json())
    [trace] = figure["data"]
    assert trace["z" if np.ndim(values) == 2 else "y"] == (values if isinstance(values, list) else values.tolist())


def test_numbers_that_are_none_are_valid_json():
    text = Older(go.Figure(go.Scatter(x=[1.0, float("nan")], y=np.array([np.inf, 2.0])))).to_json()
    figure = json.loads(text, parse_constant=lambda word: pytest.fail(word))
    assert figure["data"][0]["x"] == [1.0, None]


def test_the_figure_itself_stays_as_it_was():
    figure = go.Figure(go.Bar(y=[1.0]), {"title": {"text": "T"}, "height": 300})
    older = json.loads(Older(figure).to_json())
    assert figure.layout.height == 300
    assert figure.layout.title.text == "T"
    assert "height" not in older["layout"]
    assert older["layout"]["paper_bgcolor"] == "white"
