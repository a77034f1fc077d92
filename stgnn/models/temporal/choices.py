"""What the parts of a temporal graph network may be, and which of them go together."""

from stgnn.errors import InputError

CHOICES = {
    "updater": ("gru", "rnn", "none"),
    "message": ("identity", "mlp"),
    "aggregator": ("last", "mean"),
    "partner": ("memory", "embedding"),
    "consume": ("eager", "lazy"),
    "embedding": ("identity", "time", "attention", "sum"),
    "sampling": ("recent", "uniform"),
    "hop_time": ("query", "edge"),
}


def require_choices(**settings: str) -> None:
    """Raise `InputError` naming the first setting that is none of its choices."""
    for name, value in settings.items():
        if value not in CHOICES[name]:
            raise InputError(name, f"found {value!r}", f"expected one of: {', '.join(CHOICES[name])}")


def require_agreement(updater: str, aggregator: str, partner: str, consume: str, embedding: str) -> None:
    """Raise `InputError` where one part needs another that is not there."""
    if updater == "none" and embedding in ("identity", "time"):
        raise InputError("embedding", f"{embedding} needs a memory", "set updater to gru or rnn")
    if updater == "none" and partner == "embedding":
        raise InputError("partner", "embedding needs a memory", "set updater to gru or rnn")
    if partner == "embedding" and (aggregator, consume) != ("last", "eager"):
        found = f"embedding goes with aggregator last and consume eager, not {aggregator} and {consume}"
        raise InputError("partner", found, "a partner is embedded from the memory at its last event")
