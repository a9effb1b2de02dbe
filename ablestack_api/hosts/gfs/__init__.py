"""POST /cube/gfs/manage (contract 02 §6): GFS2 file systems, the Pacemaker cluster under them, fencing, LVM's locks."""
