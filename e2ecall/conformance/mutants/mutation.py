"""How this implementation is broken and made whole again, inside one process.

`left_out` takes the refusal of one clause out of one function, whoever has imported it; `instead` puts something else
in the place of a name. What is not there to be broken is an error: a mutant that breaks nothing would prove nothing.
"""

from __future__ import annotations
import __future__

import ast
import importlib
import inspect
import textwrap
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from types import CodeType, FunctionType
from typing import Any

from e2ecall.errors import ApiMisuse

__all__ = ["Breakage", "Mutant", "instead", "left_out"]

Breakage = Callable[[], AbstractContextManager[None]]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One mistake, the clauses that forbid it, and the operations on which it shows."""

    name: str
    what: str
    clauses: tuple[str, ...]
    operations: tuple[str, ...]
    breakages: tuple[Breakage, ...]

    @contextmanager
    def active(self) -> Iterator[None]:
        """This implementation with the mistake, until the end of the block. Not for several threads at once."""
        with ExitStack() as stack:
            for each in self.breakages:
                stack.enter_context(each())
            yield


def left_out(where: str, mark: str) -> Breakage:
    """The function `module:name` or `module:Class.name` without its refusals by `mark`: it goes on instead.

    A refusal is a `raise` in which `mark` stands, as a text (a clause) or behind a dot (a reason).
    """

    @contextmanager
    def broken() -> Iterator[None]:
        function = _function(where)
        code = function.__code__
        function.__code__ = _without(function, mark)
        try:
            yield
        finally:
            function.__code__ = code

    return broken


def instead(where: str, make: Callable[[Any], Any]) -> Breakage:
    """`make(what stands at module:name)` in its place; the name is the one by which it is used there."""

    @contextmanager
    def broken() -> Iterator[None]:
        owner, name = _place(where)
        before = vars(owner)[name]
        setattr(owner, name, make(before))
        try:
            yield
        finally:
            setattr(owner, name, before)

    return broken


def _place(where: str) -> tuple[Any, str]:
    module, _, path = where.partition(":")
    *outer, name = path.split(".")
    owner: Any = importlib.import_module(module)
    for each in outer:
        owner = getattr(owner, each)
    if name not in vars(owner):
        raise ApiMisuse(f"there is no {where} to break")
    return owner, name


def _function(where: str) -> FunctionType:
    owner, name = _place(where)
    found = inspect.unwrap(getattr(vars(owner)[name], "__func__", vars(owner)[name]))
    if not isinstance(found, FunctionType):
        raise ApiMisuse(f"{where} is no function")
    return found


class _LeaveOut(ast.NodeTransformer):
    def __init__(self, mark: str) -> None:
        self.mark = mark
        self.found = 0

    def visit_Raise(self, node: ast.Raise) -> ast.stmt:
        if any(self.mark in (getattr(each, "value", None), getattr(each, "attr", None)) for each in ast.walk(node)):
            self.found += 1
            return ast.Pass()
        return node


def _without(function: FunctionType, mark: str) -> CodeType:
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    leave_out = _LeaveOut(mark)
    leave_out.visit(tree)
    if not leave_out.found:
        raise ApiMisuse(f"{function.__qualname__} refuses nothing by {mark}")
    flags = __future__.annotations.compiler_flag
    module = compile(ast.fix_missing_locations(tree), "<mutant>", "exec", dont_inherit=True, flags=flags)
    return next(each for each in module.co_consts if isinstance(each, CodeType) and each.co_name == function.__name__)
