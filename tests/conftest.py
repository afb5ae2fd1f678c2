"""What all tests share: one Hypothesis profile without deadlines (two cores, many neighbours), and the slow switch."""

from hypothesis import settings

settings.register_profile("e2ecall", deadline=None, print_blob=True)
settings.load_profile("e2ecall")
