"""The one exception for a wrong input: what a user can mend is said in one line."""

from pathlib import Path


class InputError(ValueError):
    """A file, setting or argument that is wrong: names it, what was found, and what to do.

    The command line prints it as one line without a traceback and exits with 2.
    """

    def __init__(self, where: str | Path, problem: str, todo: str = "") -> None:
        self.where, self.problem, self.todo = str(where), problem, todo
        super().__init__(f"{where}: {problem}" + (f"; {todo}" if todo else ""))
