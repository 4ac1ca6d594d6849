"""What is trained on: folders of photos made into aligned faces, and these drawn on one another by the mesh engine."""
