"""The endpoints of the Pacemaker cluster."""
