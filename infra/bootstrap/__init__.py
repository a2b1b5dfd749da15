"""A stack's state, moved into the bucket that the stack itself makes, and back.

`plan` says what comes next, given what is found, and does nothing; `session` does it; `cli` runs
Pulumi's own command for it.
"""
