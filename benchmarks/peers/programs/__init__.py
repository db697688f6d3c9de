"""Programs for a peer's own environment: they import numpy and that peer, nothing of ours."""
