"""Whether a change of rules gives anyone rows or takes any away: rules become formulas, and a solver compares them.

What it says is proven for every state of the database, or it is not said. Knows nothing of SQL, and reads no rows.
"""
