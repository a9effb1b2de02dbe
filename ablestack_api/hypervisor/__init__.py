"""libvirt: the only place that imports it."""
