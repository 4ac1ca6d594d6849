"""A portrait that moves like a person: the synthetic webcam of demo, tests and benchmarks."""
