"""The report: one page, its panels and figures."""
