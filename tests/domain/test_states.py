"""States: the edges that are drawn, and no other."""

from __future__ import annotations

import itertools
from enum import StrEnum

import pytest

from orderapp.domain.states import (
    EDGES,
    FINAL_ORDER_STATES,
    HOLDING_STEP_STATES,
    OPEN_TASK_STATES,
    DeliveryState,
    ItemState,
    MismatchState,
    OperationState,
    OrderState,
    PlacementState,
    State,
    StepState,
    TaskState,
    sources_of,
)

# Written out a second time, from the design: an edge that somebody adds has to be added here as well, and explained.
DRAWN: dict[type[StrEnum], str] = {
    OrderState: """
        placing->confirmed placing->compensating placing->failed confirmed->compensating
        compensating->failed compensating->cancelled failed->placing failed->compensating cancelled->compensating
    """,
    PlacementState: """
        placing->confirmed placing->compensating placing->compensated confirmed->compensating
        compensating->compensated compensated->compensating
    """,
    StepState: """
        planned->done planned->refused planned->unknown refused->unknown
        done->compensated unknown->compensated compensated->unknown
    """,
    TaskState: """
        waiting->running waiting->cancelled running->waiting running->done running->failed running->cancelled
        failed->waiting failed->cancelled done->waiting cancelled->waiting
        waiting->done failed->done cancelled->done
    """,
    MismatchState: "open->correcting correcting->open open->gone correcting->gone",
    DeliveryState: "waiting->delivered waiting->dropped",
    OperationState: """
        draft->running running->paused paused->running running->ended paused->ended
    """,
    ItemState: """
        planned->left_out planned->refused planned->stopped planned->acted
        acted->done acted->failed acted->given_up acted->open
    """,
}
PAIRS = [(kind, source, to) for kind in DRAWN for source, to in itertools.product(kind, kind)]


@pytest.mark.parametrize(("kind", "source", "to"), PAIRS, ids=lambda value: getattr(value, "value", value.__class__))
def test_a_state_is_reached_along_the_drawn_edges_only(kind: type[StrEnum], source: State, to: State) -> None:
    assert (source in sources_of(to)) == (f"{source.value}->{to.value}" in DRAWN[kind].split())


def test_no_edge_leads_from_one_kind_of_state_to_another() -> None:
    # By type, not by value: as texts, states of several kinds are equal.
    for kind in DRAWN:
        for to in kind:
            assert all(type(source) is kind for source in sources_of(to))


def test_every_state_is_in_the_table() -> None:
    assert {kind: list(states) for kind, states in EDGES.items()} == {kind: list(kind) for kind in DRAWN}


def test_every_state_can_be_reached_from_where_its_kind_begins() -> None:
    for kind, begin in (
        (OrderState, OrderState.PLACING),
        (PlacementState, PlacementState.PLACING),
        (StepState, StepState.PLANNED),
        (TaskState, TaskState.WAITING),
        (OperationState, OperationState.DRAFT),
        (ItemState, ItemState.PLANNED),
    ):
        reached: set[State] = {begin}
        while more := {to for to in kind if sources_of(to) & reached} - reached:
            reached |= more
        assert reached == set(kind)


def test_confirming_and_compensating_the_same_placement_exclude_each_other() -> None:
    assert PlacementState.COMPENSATING not in sources_of(PlacementState.CONFIRMED)
    assert PlacementState.COMPENSATED not in sources_of(PlacementState.CONFIRMED)


def test_what_may_be_held_counts_as_held() -> None:
    assert set(HOLDING_STEP_STATES) == {StepState.DONE, StepState.UNKNOWN}
    assert set(FINAL_ORDER_STATES) == {OrderState.CONFIRMED, OrderState.FAILED, OrderState.CANCELLED}
    assert set(OPEN_TASK_STATES) == {TaskState.WAITING, TaskState.RUNNING, TaskState.FAILED}
