r"""The memory updater: a graph node's memory after the message of its latest events.

    s' = GRU(m, s)        or        s' = tanh(W m + b + U s + d)

Rossi et al., "Temporal graph networks for deep learning on dynamic graphs", 2020, section 3.1; the second form is
that of JODIE (Kumar, Zhang, Leskovec, KDD 2019) and DyRep (Trivedi et al., ICLR 2019) in their terms.

Axes: U graph nodes with a message, I message channels, D memory channels.
"""

from collections.abc import Callable

from torch import Tensor, nn

from stgnn.nn.recurrent.gru_cell import run_gru_cell


class GRUUpdater(nn.GRUCell):
    """`[U, I], [U, D] -> [U, D]`; parameters are those of `torch.nn.GRUCell`."""

    def forward(self, message_UI: Tensor, memory_UD: Tensor | None = None) -> Tensor:
        """The memory after the message; zero memory where there is none."""
        if memory_UD is None:
            memory_UD = message_UI.new_zeros(len(message_UI), self.hidden_size)
        return run_gru_cell(self, message_UI, memory_UD)


UPDATERS: dict[str, Callable[[int, int], nn.Module]] = {"gru": GRUUpdater, "rnn": nn.RNNCell}
"""By name; each is made from I and D."""
