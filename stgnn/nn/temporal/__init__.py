"""Parts of temporal graph networks: one file a part."""
