"""The cluster's configuration: read, applied to all nodes, checked."""
