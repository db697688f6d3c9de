"""What another policy would have earned, from logged traffic alone.

`evidence` is what an estimator needs of each row, `estimators` turn it into terms whose means are
estimates, `intervals`, `anytime` and `adaptive` say how sure they are. `direct` models outcomes,
`targets` are the policies in question, `comparison` runs them over a log, `gates` decide.
"""
