"""Whether a log is what it claims to be: decisions made again from what the database itself holds.

The arm of every decision follows from its probabilities and the policy's key, exactly; the
probabilities follow from the state at its position, to 1e-9; and the state is the fold of the
journal. Besides, over many decisions, arms come as often as their probabilities say.
"""
