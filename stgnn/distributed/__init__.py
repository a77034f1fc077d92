"""Many workers: how `stgnn train` starts, watches and ends them, and how they work together.

The driver (`launch`) starts one agent a compute node (`allocation`, `agent`), which starts the node's
workers through Dask (`dask_launcher`) or torch's own launcher (`torchrun_launcher`). They tell each other
how they are through small files in `DIR/.job/` (`job`, `heartbeat`), so that no network, and no process
but the one that looks, needs to be well for a failure to be seen. `world` is what training sees of it all.
"""
