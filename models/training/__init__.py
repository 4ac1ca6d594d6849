"""Training the generator: data, networks, losses, the loop and the export.  Needs the extra `train`."""
