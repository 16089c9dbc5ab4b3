"""Two dictionaries on one map."""
