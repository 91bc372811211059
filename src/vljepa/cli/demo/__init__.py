"""`python -m vljepa.cli.demo`: the model's main job on real media, as one page that opens anywhere."""
