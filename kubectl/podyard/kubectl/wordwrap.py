"""Text broken into lines, as github.com/mitchellh/go-wordwrap does: spaces and empty lines are kept."""

from __future__ import annotations


def wrap(text: str, limit: int) -> str:
    """Text whose lines have at most `limit` characters, unless a word is longer."""
    done, spaces, word = "", "", ""
    column = 0
    for character in text:
        if character == "\n":
            if word or column + len(spaces) <= limit:
                done += spaces + word
            done, spaces, word, column = done + "\n", "", "", 0
        elif character.isspace() and character != "\xa0":
            if word or not spaces:
                column += len(spaces) + len(word)
                done, spaces, word = done + spaces + word, "", ""
            spaces += character
        else:
            word += character
            if column + len(spaces) + len(word) > limit and len(word) < limit:
                done, spaces, column = done + "\n", "", 0
    if word or column + len(spaces) <= limit:
        done += spaces + word
    return done


def indent(text: str, amount: int) -> str:
    """Every line, empty ones too, moved to the right."""
    pad = " " * amount
    return pad + text.replace("\n", "\n" + pad)
