"""AuthZEN's certification scenario, held against the deployed function: `make certify`."""
