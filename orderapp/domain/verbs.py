"""The calls that a connector may have, and the run of a job."""

from enum import StrEnum


class Verb(StrEnum):
    """A call to an external system, as its connector and the history name it; or the run of a job."""

    QUOTE = "quote"  # what would the discount be? changes nothing
    STOCK = "stock"  # how many are there of some products? changes nothing
    ACT = "act"  # cause the effect, under its key
    ASK = "ask"  # what is in place under the key? changes nothing
    UNDO = "undo"  # take the effect back, under its key
    RUN = "run"  # a job ran
