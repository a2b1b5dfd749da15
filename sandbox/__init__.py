"""All of it, locally: a local AWS, the Pulumi program run in process, and the function served."""
