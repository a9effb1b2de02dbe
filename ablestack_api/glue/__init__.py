"""The endpoints of the storage cluster (Glue is the product's name of Ceph)."""
