"""How networks are opened and run, beside models.session: providers, buffers, precision, and what goes wrong."""
