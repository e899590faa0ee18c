"""Figures for a plotly.js that is older than ours: plain lists, and only what both know."""

import base64
import json
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.io.json import to_json_plotly


class Older:
    """A figure, written for optuna-dashboard's plotly.js 2.35 instead of the one that comes with plotly 7.

    Numbers are lists, not packed arrays, and there is no template: it would be most of the text, and names kinds of traces
    that are not known there. The height is that of its place.

    Args:
        figure: The figure.
    """

    def __init__(self, figure: go.Figure) -> None:
        self.figure = go.Figure(figure).update_layout(height=None)

    def to_json(self) -> str:
        """The figure as JSON."""
        content = json.loads(to_json_plotly(unpacked(self.figure.to_plotly_json())))
        layout = {"paper_bgcolor": "white", "plot_bgcolor": "white"} | content["layout"]
        layout.pop("template", None)
        return json.dumps({"data": content["data"], "layout": layout}, separators=(",", ":"))


def unpacked(value: Any) -> Any:
    """A value with lists in place of arrays."""
    if isinstance(value, dict) and value.keys() >= {"dtype", "bdata"}:
        numbers = np.frombuffer(base64.b64decode(value["bdata"]), value["dtype"])
        return numbers.reshape([int(size) for size in str(value.get("shape", numbers.size)).split(",")]).tolist()
    if isinstance(value, dict):
        return {name: unpacked(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [unpacked(part) for part in value]
    return value.tolist() if isinstance(value, np.ndarray) else value
