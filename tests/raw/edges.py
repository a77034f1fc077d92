"""Edge lists as tests write and read them."""

from collections.abc import Callable

import numpy as np

from stgnn.raw.events import BLOCK_EVENTS, EventBlock, Events

HEADER = "user_id,item_id,timestamp,state_label,comma_separated_list_of_features\n"
Write = Callable[..., Events]


def whole(events: Events) -> EventBlock:
    """All events in one block."""
    blocks = list(events.blocks())
    assert all(0 < len(block) <= BLOCK_EVENTS for block in blocks)
    return EventBlock(
        src=np.concatenate([block.src for block in blocks]),
        dst=np.concatenate([block.dst for block in blocks]),
        t=np.concatenate([block.t for block in blocks]),
        label=np.concatenate([block.label for block in blocks]) if events.has_label else None,
        feature=np.concatenate([block.feature for block in blocks]) if events.feature else None,
    )
