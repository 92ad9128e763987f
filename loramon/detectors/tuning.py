"""What differs between one kind of series and another in the test for a rise (`rise_scan`)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tuning:
    """What differs between one kind of series and another.

    `threshold`: the sum at which it is told, in standard deviations. `min_shift`: ln of a rise that is none however
    little noise there is. `anchored`: the reference stays at the lowest one so far, and a rise to a level that
    the series began at must be twice as sure. `min_effect`: ln of the mean rise of the stretch
    below which nothing is told. `prior_scale`: standard deviation of ln(value) believed before it is measured.
    `inflation_free`: variance inflation that twenty blocks of independent rows show by chance; what is beyond it counts
    as real. `skip_rows`: rows left out at the beginning. `confirmed`: ln of the rise that makes it critical; None:
    never. `confirm_rows`: rows of a window. `start_threshold`: standard errors of the start test; None: no such test.
    `soft_floor`: added to each value before the logarithm.
    """

    threshold: float
    min_shift: float
    anchored: bool
    min_effect: float
    prior_scale: float
    inflation_free: float
    skip_rows: int
    confirmed: float | None
    confirm_rows: int
    start_threshold: float | None
    soft_floor: float
