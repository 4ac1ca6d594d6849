"""The live loop: sources, stages, sinks and the program around them."""
