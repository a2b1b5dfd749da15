"""AuthZEN's certification scenario, run against the deployed function: `make certify`."""
