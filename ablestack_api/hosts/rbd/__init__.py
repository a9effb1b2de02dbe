"""POST /cube/rbd/manage (contract 02 §9): images in a Ceph pool that every host maps."""
