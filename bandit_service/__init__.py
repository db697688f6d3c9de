"""An online-learning service that routes LLM queries to the right model of a pool."""

__version__ = "0.1.0"
