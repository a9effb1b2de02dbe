"""Other machines: HTTP to the same API on a peer."""
