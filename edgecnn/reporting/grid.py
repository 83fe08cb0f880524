"""A console table whose names give way on a narrow console, while its numbers never do.

Rich's own tables draw it. They shorten columns in proportion to their width, numbers as well; this
lays out the columns of names before rich does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console, ConsoleOptions, RenderableType
    from rich.text import Text

_LEAST = 8
"""Characters that are left of a name at least."""


@dataclass(frozen=True)
class Grid:
    """A rich table. The first `names` columns are texts, set left and shortened to fit.

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
        from rich.text import Text

        widest = [
            max(len(head), *(cells[index].cell_len for _, cells in self.lines), 1)
            for index, head in enumerate(self.heads)
        ]
        airy = sum(widest) + 2 * len(widest) <= options.max_width
        table = Table(
            box=box.SIMPLE_HEAD,
            show_edge=False,
            pad_edge=False,
            padding=(0, int(airy), 0, 0),
            title=self.title,
            title_justify="left",
        )
        for index, (head, width) in enumerate(zip(self.heads, widest, strict=True)):
            # rich takes width from columns that may wrap; the texts themselves never wrap.
            name = index < self.names
            table.add_column(
                Text(head, no_wrap=True, overflow="ellipsis"),
                justify="left" if name or index == len(self.heads) - 1 else "right",
                min_width=min(_LEAST, width) if name else width,
                no_wrap=not name,
                overflow="ellipsis",
            )
        for style, cells in self.lines:
            table.add_row(*map(_unwrapped, cells), style=style)
        yield table


def _unwrapped(cell: Text) -> Text:
    cell = cell.copy()
    cell.no_wrap, cell.overflow = True, "ellipsis"
    return cell
