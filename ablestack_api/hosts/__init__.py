"""What this node knows of its hosts and neighbours."""
