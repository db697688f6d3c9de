"""Builds the parts and connects them; the one place that knows everybody."""

from bandit_service.app.parts import shape_of
from bandit_service.app.running import DRAIN_SECONDS, serve
from bandit_service.app.warming import keep_out_of_collections

__all__ = ["DRAIN_SECONDS", "keep_out_of_collections", "serve", "shape_of"]
