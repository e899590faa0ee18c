"""The panels of the report, one file each, in reading order.

A panel has a ``CAPTION`` and ``draw(summary)``, which returns None if it has nothing to show.
"""

from studies.report.panels import contour, epochs, history, importances, parallel, slices, timeline

PANELS = {
    "history": history,
    "importances": importances,
    "slices": slices,
    "contour": contour,
    "parallel": parallel,
    "epochs": epochs,
    "timeline": timeline,
}
