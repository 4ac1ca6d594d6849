"""Rewrites of ONNX graphs into equal ones that run faster."""
