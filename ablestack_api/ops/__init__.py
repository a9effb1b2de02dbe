"""Running the node: liveness, versions and updates, licence, security patch, SSH key, recorded errors, switching off."""
