"""Files of sequences: MOT text, layouts of the data sets, splits, identities of detections, trajectories."""
