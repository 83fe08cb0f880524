"""A console table whose names give way on a narrow console, while its numbers never do."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.text import Text

_LEAST = 8


@dataclass(frozen=True)
class Grid:
    """A rich renderable. The first `names` columns are texts, set left and shortened to fit.

    `lines` holds a style and the cells of each row; cells are rich Texts, so that nothing in
    them is read as markup.
    """

    heads: Sequence[str]
    lines: Sequence[tuple[str, Sequence[Text]]]
    names: int
    title: Text | None = None

    def __rich_console__(
        self, console: Console, options: ConsoleOptions
    ) -> Iterator[RenderableType]:
        from rich import box
        from rich.table import Table

        widest = [
            max(len(head), *(cells[index].cell_len for _, cells in self.lines), 1)
            for index, head in enumerate(self.heads)
        ]
        airy = sum(widest) + 2 * len(widest) <= options.max_width
        free = options.max_width - sum(widest[self.names :]) - (1 + airy) * len(widest)
        table = Table(
            box=box.SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, int(airy), 0, 0),
            title=self.title,
            title_justify="left",
        )
        for index, head in enumerate(self.heads):
            if index < self.names:
                left = self.names - index
                later = sum(widest[index + 1 : self.names])
                width = max(_LEAST, min(widest[index], max(free - later, free // left)))
                free -= width
                table.add_column(head, width=width, no_wrap=True, overflow="ellipsis")
            else:
                right = "left" if index == len(self.heads) - 1 else "right"
                table.add_column(head, justify=right, no_wrap=True, width=widest[index])  # type: ignore[arg-type]
        for style, cells in self.lines:
            table.add_row(*cells, style=style)
        yield table
