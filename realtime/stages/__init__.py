"""What is done to a frame, one step each."""
