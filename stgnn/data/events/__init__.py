"""Event streams: batches in time order, and exact temporal neighbourhoods.

store = open_event_store("data/stores/jodie-wikipedia.zarr")
view = view_of(store, "strict_time", training=True)
for batch in EventStream(store, roles=[TRAIN], batch_size=200).batches():
    cut_B = view.cuts(batch, batch.t_B)
    earlier = view.neighbours.recent(batch.src_B, cut_B, k=10)
"""
