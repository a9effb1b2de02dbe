"""The first start of the Cloud Center VM and the Storage Center VMs: what cloud-init finds on its drive, how far it is."""
