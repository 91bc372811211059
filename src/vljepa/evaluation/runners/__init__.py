"""One runner a task: items and a model in, scores beside their baselines out. All public benchmarks share them."""
