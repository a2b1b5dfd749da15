"""Who may do what: policy files and their tests, and decisions told in words."""
