"""Our models in other people's programs: MTEB, sentence-transformers, lmms-eval."""
