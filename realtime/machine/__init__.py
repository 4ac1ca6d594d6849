"""What this machine has: cameras and virtual cameras."""
