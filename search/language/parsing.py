"""From what a person typed to a typed query, or to an error that points at the token."""

import difflib
from dataclasses import dataclass, field

from core.errors import InvalidQuery
from core.texts import has_control
from search.language.operators import ALIASES, OPERATORS, PHRASE, WORD, words
from search.language.tokens import Token, tokens

MAX_CHARS = 1000
#: Each is a condition on every photo; nobody types more, and a machine must not have the database try thousands.
MAX_CONDITIONS = 20
_SHOWN_CHARS = 40
_NAMES = tuple(f"{name}:" for name in OPERATORS)


@dataclass(frozen=True)
class Condition:
    """What must hold of every photo found, or must not where `without`. operator: a name of OPERATORS, WORD or PHRASE.

    value is in its normal form. start, end: where it stands in the query.
    """

    operator: str
    value: str
    without: bool = False
    start: int = field(default=0, compare=False)
    end: int = field(default=0, compare=False)


@dataclass(frozen=True)
class Query:
    """text: what is ranked by meaning, empty where only conditions were given.

    plain: where what is neither quoted nor part of a condition stands in the query, start and end of each piece.
    """

    text: str
    conditions: tuple[Condition, ...] = ()
    plain: tuple[tuple[int, int], ...] = field(default=(), compare=False)

    def values(self, operator: str, *, without: bool = False) -> list[str]:
        return [one.value for one in self.conditions if one.operator == operator and one.without == without]

    @property
    def identity(self) -> str:
        """The same for queries that ask the same."""
        return repr((self.text, [(one.operator, one.value, one.without) for one in self.conditions]))


def parse(text: str) -> Query:
    """What a query asks for; InvalidQuery with the place of what can't be understood, and what is allowed there."""
    _check(text)
    said: list[str] = []
    plain: list[tuple[int, int]] = []
    conditions: list[Condition] = []
    for token in tokens(text, {*OPERATORS, *ALIASES}):
        if not token.negative and not token.operator:
            said.append(token.value)
        if not (token.operator or token.negative or token.quoted):
            plain.append((token.start, token.end))
        else:
            conditions.append(_condition(token))
            if len(conditions) > MAX_CONDITIONS:
                raise token.problem(
                    f"These are too many conditions: at most {MAX_CONDITIONS} phrases, operators and words left out."
                )
    return Query(" ".join(said), tuple(conditions), tuple(plain))


def parse_optional(text: str) -> Query:
    """The same where nothing need be asked: of blanks a query without words and conditions."""
    return parse(text) if text.strip() else Query("")


def _condition(token: Token) -> Condition:
    if not token.operator:
        kind = PHRASE if token.quoted else WORD
        try:
            value = words(token.value)
        except ValueError as error:
            what = "A phrase" if token.quoted else "What is left out"
            raise token.problem(f"{what} needs a letter or a digit.") from error
        return Condition(kind, value, token.negative, token.start, token.end)
    operator = OPERATORS.get(ALIASES.get(token.operator, token.operator))
    if operator is None:
        raise token.problem(_unknown(token), _NAMES)
    if not token.value.strip():
        raise token.problem(
            f"{operator.name}: needs {operator.takes}, right behind the colon.", operator.allowed
        )
    try:
        value = operator.normal(token.value)
    except ValueError as error:
        shown = f"{operator.name}:{token.value[:_SHOWN_CHARS]}"
        raise token.problem(f"“{shown}” can’t be looked for: {error}.", operator.allowed) from error
    return Condition(operator.name, value, token.negative, token.start, token.end)


def _unknown(token: Token) -> str:
    near = difflib.get_close_matches(token.operator, OPERATORS, n=1)
    meant = f" Did you mean {near[0]}:?" if near else ""
    return (
        f"There is no operator “{token.operator[:_SHOWN_CHARS]}:”; there are {', '.join(_NAMES)}.{meant} "
        "Put it in quotation marks to look for it as words."
    )


def _check(text: str) -> None:
    # Length first: what is too long is not looked at any further.
    if len(text) > MAX_CHARS:
        raise InvalidQuery(
            f"The query is too long: at most {MAX_CHARS:,} characters.",
            start=MAX_CHARS,
            end=len(text),
            token=text[MAX_CHARS : MAX_CHARS + _SHOWN_CHARS],
        )
    inside = text.strip(" \t\r\n\u00a0\u3000")
    start = text.find(inside)
    for at, sign in enumerate(inside, start=start):
        if has_control(sign):
            raise InvalidQuery(
                "The query holds control characters; use plain text on one line.",
                start=at,
                end=at + 1,
                token=repr(sign)[1:-1],
            )
    if not inside.strip():
        raise InvalidQuery("Say what to look for: the query is empty.", start=0, end=len(text), token="")
