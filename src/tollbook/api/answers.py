"""Shapes that several answers share."""

from tollbook.views.figures import Counted, Figures, figures_of, time_of_ms, time_text, total_of

__all__ = ["Counted", "Figures", "figures_of", "time_of_ms", "time_text", "total_of"]
