"""Fuzzing of what reads bytes from the network: one target a parser, its invariant on line 1.

target_*     the targets
target       what a target is
harness      runs targets: corpus, seeded mutation, or atheris
seed         writes the corpus, made from vectors/
mutation     mutation of bytes that knows nothing of their meaning
frames       sequences of sealed frames as one input, and mutation behind the tag
model        what a receiver must answer, by a second way
snapshot     puts a receiver back to where it was
receivers    the receivers of target_unprotect, and their keys
layouts      what the targets of the codec layouts have in common
regressions  a folder for each target: inputs that once found something, replayed by the tests
"""
