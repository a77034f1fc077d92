"""Models of single snapshots, as PyTorch Geometric Temporal evaluates its layers: one file a layer."""
