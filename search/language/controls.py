"""The language as form controls: what each control shows for a query, and the query that changed controls ask for.

The query is the only truth. A control that was not touched changes nothing, so what controls can't show (two
owners, -tag:sea) stays in the query.
"""

from collections.abc import Mapping

from search.language.operators import PHRASE, WORD
from search.language.parsing import Condition, Query, parse_optional
from search.language.writing import edited, term

#: Controls that hold several values, between commas; the others hold one.
LISTS = ("phrase", "without", "tag", "text", "colour", "camera", "by")
SINGLE = ("after", "before", "type", "is")
CONTROLS = (*LISTS, *SINGLE)


def controls_of(query: Query) -> dict[str, str]:
    """What each control shows."""
    shown = {name: ", ".join(one.value for one in _of(query, name)) for name in LISTS}
    return shown | {name: next((one.value for one in _of(query, name)), "") for name in SINGLE}


def refined(text: str, chosen: Mapping[str, str]) -> str:
    """The query `text` as these controls ask for it. Controls that are not named stay as they are.

    InvalidQuery where the text itself can't be understood. What the controls hold is not checked here: parsing the
    result does.
    """
    query = parse_optional(text)
    before = controls_of(query)
    drop: list[Condition] = []
    add: list[str] = []
    for name in CONTROLS:
        value = " ".join(chosen.get(name, before[name]).split())
        if value != before[name]:
            drop += _of(query, name)
            add += [_term(name, one) for one in _values(name, value)]
    return edited(text, drop, add)


def _values(name: str, value: str) -> list[str]:
    parts = value.split(",") if name in LISTS else [value]
    return [part.strip() for part in parts if part.strip()]


def _term(name: str, value: str) -> str:
    if name == "without":
        several = " " in value
        return term(PHRASE if several else WORD, value, without=True)
    return term(name, value)


def _of(query: Query, name: str) -> list[Condition]:
    """The conditions that a control shows. One that holds a comma would look like two, so it is shown by none."""
    if name == "without":
        kinds, without = {WORD, PHRASE}, True
    else:
        kinds, without = {name}, False
    return [
        one
        for one in query.conditions
        if one.operator in kinds and one.without == without and not (name in LISTS and "," in one.value)
    ]
