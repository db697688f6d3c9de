"""Our policies and others', on the same streams with the same features: `make bench-peers`."""
