"""What learners make of a start, of change and of new arms, on streams of real outcomes."""
