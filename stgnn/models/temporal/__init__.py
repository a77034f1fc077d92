"""Models on streams of events: temporal graph networks, their kin and the baselines that need no training."""
