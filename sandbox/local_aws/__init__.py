"""AWS on this machine: moto, and the deployment of the program to it."""
