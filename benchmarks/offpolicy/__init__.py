"""How far off-policy estimates can be trusted, and how quick they are; `python -m` it."""
