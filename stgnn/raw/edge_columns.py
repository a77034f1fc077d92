"""What the fields of an edge list's lines are: roles by the words of a reader or the catalogue, names by the file.

A column's role says what is read from it, its name only what it is called: a feature may be called anything.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from itertools import count, islice

# The last of the words: all further fields are edge features.
REST = "..."


class Role(Enum):
    """What is read from a column."""

    SRC = auto()
    DST = auto()
    TIME = auto()
    LABEL = auto()
    # An edge feature.
    FEATURE = auto()
    # The event's own number, from 1.
    ROW = auto()
    # Not read at all.
    LEFT_OUT = auto()
    # Nothing, behind the last separator of every line.
    EMPTY = auto()


# Every other word is a feature's name.
_ROLES = {
    "src": Role.SRC,
    "dst": Role.DST,
    "time": Role.TIME,
    "label": Role.LABEL,
    "row": Role.ROW,
    "-": Role.LEFT_OUT,
}


@dataclass(frozen=True)
class Column:
    """A field that every line has."""

    role: Role
    # What errors and a feature's coordinate call it.
    name: str


@dataclass(frozen=True)
class Declared:
    """The columns that a reader or the catalogue names, and whether edge features may follow them."""

    columns: tuple[Column, ...]
    open_ended: bool

    @classmethod
    def of(cls, words: Sequence[str], *, labels: bool = True) -> "Declared":
        """Return the columns of `words`; without `labels`, theirs is left out."""
        named = tuple(word for word in words if word != REST)
        columns = tuple(Column(_ROLES.get(word, Role.FEATURE), word) for word in named)
        if not labels:
            columns = tuple(
                Column(Role.LEFT_OUT, each.name) if each.role is Role.LABEL else each for each in columns
            )
        return cls(columns, REST in words)

    def __str__(self) -> str:
        """Say how many columns there are, and which."""
        names = ", ".join(column.name for column in self.columns)
        return f"{len(self.columns)} ({names})" + (" or more" if self.open_ended else "")

    def allows(self, width: int) -> bool:
        """Whether a line may have `width` fields."""
        return width == len(self.columns) or (self.open_ended and width > len(self.columns))

    def fitted(self, fields: Sequence[str], names: Sequence[str]) -> tuple[Column, ...]:
        """Return the column of each of the first event's `fields`; `names` are those that the file gives, if any.

        Further features are called by their names where each field has one and no two features share one, and
        feature_0, feature_1, ... otherwise.
        """
        extra = len(fields) - len(self.columns)
        if extra == 1 and not fields[-1]:
            return (*self.columns, Column(Role.EMPTY, "the last field"))
        taken = {column.name for column in self.columns if column.role is Role.FEATURE}
        own = [name.strip() for name in names[len(self.columns) :]]
        if len(own) != extra or not all(own) or len({*own, *taken}) < extra + len(taken):
            own = list(islice(_numbered(taken), extra))
        return (*self.columns, *(Column(Role.FEATURE, name) for name in own))


def _numbered(taken: set[str]) -> Iterator[str]:
    """Yield feature_0, feature_1, ... without those that are `taken`."""
    return (name for number in count() if (name := f"feature_{number}") not in taken)
