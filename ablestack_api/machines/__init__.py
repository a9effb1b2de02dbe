"""What the Cloud Center VM, the Storage Center VM and their first start have in common."""
