"""How challengers do beside the incumbent, from the probabilities that were logged of both."""
