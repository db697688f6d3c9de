"""What a policy would have earned: simulation over tables of real outcomes, and its judgement.

`table` holds the outcomes, `loading`, `importers` and `synthetic` make tables, `simulation` runs
policies over them through the engine that serves, `references` and `metrics` judge the runs,
`pictures` and `report` show the result.
"""
