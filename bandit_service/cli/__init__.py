"""The command line, `bandit-service`. What takes long to import is imported by its command."""

from bandit_service.cli.commands import app, main

__all__ = ["app", "main"]
