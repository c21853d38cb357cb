"""The methods, one file per paper."""

__all__: list[str] = []
