"""From a request and the duties of its requester to a decision. Pure."""
