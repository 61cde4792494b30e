"""How the embedded data set is made: hand-written domain files in, `data/embedded/` out."""
