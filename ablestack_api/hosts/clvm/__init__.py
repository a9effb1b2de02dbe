"""POST /cube/clvm/manage (contract 02 §7): volume groups on shared disks, primary storage of the Cloud Center.

The groups are not shared in LVM's sense (`vgcreate --shared`), as in 0.1.2: the Cloud Center itself sees to it that a volume
is active on one host only, and a shared group would be unusable on hosts without lvmlockd and dlm, that is without GFS2.
They have no system ID either, so that every host may use them.
"""
