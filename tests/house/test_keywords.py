"""A misspelt argument is named with the closest one, whatever of the package is called."""

import inspect

import pytest

import volvelle as vv


def public_callables():
    """Return (name, callable) of every public verb, class and method."""
    for name in vv.__all__:
        value = getattr(vv, name)
        if not callable(value) or (inspect.isclass(value) and issubclass(value, BaseException)):
            continue
        yield name, value
        if not inspect.isclass(value):
            continue
        for kind in value.__mro__:
            if kind.__module__.startswith("volvelle"):
                for method, found in vars(kind).items():
                    if not method.startswith("_") and callable(getattr(found, "__func__", found)):
                        yield f"{name}.{method}", getattr(value, method)


CALLABLES = dict(public_callables())


def takes_arguments(function):
    """Return whether it takes arguments, and none of them by any name."""
    parameters = [p for n, p in inspect.signature(function).parameters.items() if n != "self"]
    return parameters and not any(p.kind is p.VAR_KEYWORD for p in parameters)


@pytest.mark.parametrize("name", [n for n, f in CALLABLES.items() if takes_arguments(f)])
def test_an_unknown_keyword_is_refused_naming_those_that_exist(name):
    function = CALLABLES[name]
    is_method = "." in name and "self" in inspect.signature(function).parameters
    with pytest.raises(TypeError, match="unknown argument 'zzzzzz'"):
        function(*[None] * is_method, zzzzzz=1)


@pytest.mark.parametrize("name", [n for n in CALLABLES if hasattr(CALLABLES[n], "class_traits")])
def test_a_view_refuses_an_unknown_trait(name):
    with pytest.raises(TypeError, match="unknown argument 'zzzzzz'"):
        CALLABLES[name](zzzzzz=1)
