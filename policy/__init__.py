"""Who may what: policy files, their schema, loader and tests. The function never reads YAML."""
