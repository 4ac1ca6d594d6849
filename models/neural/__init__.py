"""The swap engine that runs ONNX models."""
