"""The panels of the report, one file each, in reading order.

A panel has a ``CAPTION``, a ``PART`` (the part of the report that it belongs to), ``draw(summary)``, which returns None if
it has nothing to show, and ``finding(summary)``, what its figure shows in words, for whoever does not see it.
"""

from studies.report.panels import contour, epochs, front, history, importances, parallel, parts, rivals, slices, timeline

PANELS = {
    "rivals": rivals,
    "parts": parts,
    "front": front,
    "importances": importances,
    "slices": slices,
    "contour": contour,
    "parallel": parallel,
    "history": history,
    "epochs": epochs,
    "timeline": timeline,
}
