"""Decision tokens: what `Route` hands out, so that feedback proves whose decision it is about.

`signing` is pure: a claim and keys in, bytes out, and back. `key_file` follows the file that
holds the keys. `desk` is what the use cases ask.
"""

from bandit_service.tokens.desk import TokenDesk
from bandit_service.tokens.key_file import KeyFile
from bandit_service.tokens.signing import Key, Keys

__all__ = ["Key", "KeyFile", "Keys", "TokenDesk"]
