"""stgnn: train and compare spatiotemporal graph networks from declared studies.

The library half of the system. It never imports snakemake; the workflow never imports torch.
"""

__version__ = "0.1.0"
