"""Two contacts without keys, and their slots."""

import pytest

from e2ecall.identity.contacts import Contacts
from support.contact_books import RNG


@pytest.fixture
def book():
    contacts = Contacts()
    for name in ("Bob", "Carol"):
        contacts.add(name, now=1, rng=RNG)
    return contacts


@pytest.fixture
def bob(book):
    return book.slot(book.find("Bob").id)


@pytest.fixture
def carol(book):
    return book.slot(book.find("Carol").id)
