import copy
import pickle

import pytest

from e2ecall.errors import ApiMisuse
from e2ecall.sframe import RatchetReceiver, RatchetSender, Receiver, Sender
from support.frames import fresh_base

MAKERS = {
    "Sender": lambda: Sender(5, 0, fresh_base()),
    "Receiver": lambda: Receiver(5),
    "RatchetSender": lambda: RatchetSender(5, 0, fresh_base(), step_bits=4),
    "RatchetReceiver": lambda: RatchetReceiver(5, step_bits=4),
}
DUPLICATES = {
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "deepcopy in a list": lambda owned: copy.deepcopy([owned]),
    **{f"pickle {n}": lambda owned, n=n: pickle.dumps(owned, n) for n in range(pickle.HIGHEST_PROTOCOL + 1)},
    "pickle in a dict": lambda owned: pickle.dumps({"owned": owned}),
}


@pytest.mark.clause("frame.5-3")
@pytest.mark.parametrize("duplicate", DUPLICATES)
@pytest.mark.parametrize("name", MAKERS)
def test_what_belongs_to_one_process_is_neither_copied_nor_pickled(name, duplicate):
    owned = MAKERS[name]()
    with pytest.raises(ApiMisuse) as caught:
        DUPLICATES[duplicate](owned)
    assert caught.value.clause == "frame.5-3"
    assert name in str(caught.value)


@pytest.mark.clause("frame.5-3")
@pytest.mark.parametrize("name", ["Sender", "RatchetSender"])
def test_nor_is_its_way_to_seal(name):
    owned = MAKERS[name]()
    for duplicate in (pickle.dumps, copy.deepcopy):
        with pytest.raises(ApiMisuse):
            duplicate(owned.protect)
    assert [owned.protect(b"")[0] for _ in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("name", MAKERS)
def test_it_takes_no_further_attributes(name):
    with pytest.raises(AttributeError):
        MAKERS[name]().counter = 5
