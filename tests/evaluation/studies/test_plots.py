"""The plot of a sweep shows each interval where it lies, also where that is not around its score."""

import pytest
from matplotlib.axes import Axes

from radseg.evaluation.report.tables import Table
from radseg.evaluation.studies.ablations import SWEEPS
from radseg.evaluation.studies.plots import save_sweep_plot

HEAD = ("row", "mIoU %", "low", "high", "gain")


@pytest.mark.parametrize("name", ["windows", "recursion"])
def test_intervals_are_drawn_from_low_to_high(name, tmp_path, monkeypatch):
    drawn = []
    own = Axes.errorbar

    def errorbar(self, x, y, yerr=None, **style):
        drawn.extend(zip(x, y, yerr, strict=True))
        return own(self, x, y, yerr=yerr, **style)

    monkeypatch.setattr(Axes, "errorbar", errorbar)
    rows = (("a", 29.0, 23.0, 28.0, None), ("b", 24.0, 20.0, 26.0, -5.0), ("c", 10.0, None, None, -19.0))
    save_sweep_plot(tmp_path / "a.png", SWEEPS[name], Table(HEAD, rows), subtitle="s")
    assert [(y - e, y + e) for _, y, e in drawn] == [(23.0, 28.0), (20.0, 26.0)]
    assert (tmp_path / "a.png").stat().st_size > 1000
