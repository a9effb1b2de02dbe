"""The Cube lab: real nodes (systemd-nspawn machines) in network namespaces of one Linux machine."""
