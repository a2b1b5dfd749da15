"""What is deployed: the Pulumi program. `__main__` wires, every component has a file of its own."""
