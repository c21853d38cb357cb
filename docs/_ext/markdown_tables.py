"""Tables and prose in Markdown."""

__all__ = ["cell", "prose", "table"]


def prose(text: str) -> str:
    """Prose as Markdown: what isn't code is escaped."""
    pieces = text.split("`")
    return "`".join(
        piece if place % 2 else piece.replace("*", r"\*").replace("<", r"\<") for place, piece in enumerate(pieces)
    )


def cell(text: str) -> str:
    """Text as a cell of a table."""
    return prose(text).replace("|", r"\|")


def table(head: list[str], rows: list[list[str]]) -> str:
    """A table in Markdown."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in lines)
