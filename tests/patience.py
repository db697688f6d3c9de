"""How long a test waits for what is going to happen."""

# No machine is so busy that it takes this long: whatever does, hangs. A shorter deadline is for
# a test of what happens when it expires, and then nothing has to succeed before it does.
PATIENCE = 30.0
