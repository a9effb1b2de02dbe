"""The files of this node: every read and write of something that outlives the daemon."""
