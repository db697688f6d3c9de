"""Builds the parts and connects them; the one file that knows everybody."""

import asyncio
import logging
import signal
import time
from collections.abc import Callable
from pathlib import Path

import msgspec

from bandit_service.administration import Administrator
from bandit_service.configuration import Shape
from bandit_service.engine import Registry
from bandit_service.features import features_of
from bandit_service.feedback import Recorder
from bandit_service.journal import Journal
from bandit_service.model import Features, PolicyConfig
from bandit_service.routing import Router
from bandit_service.rpc.server import RpcServer, TlsFiles
from bandit_service.settings import Settings
from bandit_service.store import open_store

log = logging.getLogger(__name__)

# What a caller can wait for at most; the writer may hang on the database longer.
COMMIT_SECONDS = 5.0
DRAIN_SECONDS = 10.0
