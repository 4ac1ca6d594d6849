"""The live generator: what the mesh engine drew, made to belong to the moment by a small network of our own."""
