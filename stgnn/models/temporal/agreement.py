"""Which parts of a temporal graph network go together."""


class Agreement:
    """The part of `TGN` that says so, also to studies, which read it from the source."""

    @staticmethod
    def contradiction(
        updater: str,
        aggregator: str,
        partner: str,
        consume: str,
        embedding: str,
        memory_channels: int,
        time_channels: int,
        embedding_channels: int,
        layers: int,
        heads: int,
        dropout: float,
    ) -> tuple[str, str, str] | None:
        """Which setting is wrong beside the others, why, and what to do."""
        if updater == "none" and embedding in ("identity", "time"):
            return "embedding", f"{embedding} needs a memory", "set updater to gru or rnn"
        if updater == "none" and partner == "embedding":
            return "partner", "embedding needs a memory", "set updater to gru or rnn"
        # A partner is embedded from the memory at its last event.
        if partner == "embedding" and (aggregator, consume) != ("last", "eager"):
            found = f"embedding goes with aggregator last and consume eager, not {aggregator} and {consume}"
            return "partner", found, "set them, or partner to memory"
        if not 0 <= dropout < 1:
            return "dropout", f"is {dropout}", "give a share from 0 to below 1"
        if embedding == "attention" or partner == "embedding":
            for width in (memory_channels + time_channels, embedding_channels + time_channels)[:layers]:
                if width % heads:
                    todo = f"they do not divide the {width} channels of a query (layer below and time)"
                    return "heads", f"are {heads}", todo
        return None
