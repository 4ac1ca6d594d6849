"""Families of ONNX models by their role: how each wants its input and what its output means, a row of data a family."""
