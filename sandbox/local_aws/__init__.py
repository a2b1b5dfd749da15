"""AWS on this machine: moto, and what deploys the program to it."""
