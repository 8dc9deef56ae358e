"""The ledger of what a fleet of LLM agents spends."""

from tollbook.domain.errors import BudgetExceeded

__all__ = ["BudgetExceeded", "__version__"]

__version__ = "0.1.0"
