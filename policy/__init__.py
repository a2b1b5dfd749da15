"""Who may what: policy files, their schema, loader and tests. The function never reads YAML.

Also what the sandbox and `oncall` both need: a decision in words, and a signed call.
"""
