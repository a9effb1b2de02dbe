"""Day-to-day facts of the node: liveness, versions, recorded errors."""
