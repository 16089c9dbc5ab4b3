"""Texts of strangers, made such that every file, page and tokenizer can hold them."""

from __future__ import annotations

from typing import Any, cast


def clean(text: str) -> str:
    """Return a text that every file, page and tokenizer can hold.

    The one thing that Python's texts hold and UTF-8 does not are halves of characters: a high
    and a low one that follow each other become the character they are halves of, any other
    becomes U+FFFD, the replacement sign. All else stays as it is: NUL, marks of direction, line
    ends, the look of an accent.

    It is called where texts come in (labels and names of files, names of directions, texts to be
    read, what a page sends, traits), so that nothing behind these doors has to ask again.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        The same object where there was nothing to do.
    """
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text


def cleaned(value: Any) -> Any:
    """Return a value with every text in it `clean`: itself, and what dicts and lists hold.

    Parameters
    ----------
    value : object
        Lists, tuples and dicts are copied, keys of dicts are texts too; all else is returned as
        it is.

    Raises
    ------
    ValueError
        For lists in lists deeper than Python follows, such as one that holds itself.
    """
    try:
        return _cleaned(value)
    except RecursionError:
        raise ValueError("lists are nested too deep to be read") from None


def _cleaned(value: Any) -> Any:
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        named = cast("dict[Any, Any]", value)
        return {_cleaned(key): _cleaned(one) for key, one in named.items()}
    if isinstance(value, list):
        return [_cleaned(one) for one in cast("list[Any]", value)]
    if type(value) is tuple:
        return tuple(_cleaned(one) for one in cast("tuple[Any, ...]", value))
    return value
