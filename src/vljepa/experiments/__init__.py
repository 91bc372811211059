"""Experiments: many short trainings that differ in one thing, measured alike (paper, sections 4.5 and 4.8)."""
