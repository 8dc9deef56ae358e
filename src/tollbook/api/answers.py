"""Shapes that several answers share: those of the views, under the names the routes know them by."""

from tollbook.views.figures import Counted, Figures, figures_of, time_of_ms, time_text, total_of

__all__ = ["Counted", "Figures", "figures_of", "time_of_ms", "time_text", "total_of"]
