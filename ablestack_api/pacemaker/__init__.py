"""What is done with the Pacemaker cluster that keeps the Cloud Center alive; for `/cube/pcs` and `/cube/ccvm`."""
