"""AMR: asthma medication ratio. Of members with persistent asthma, those whose units are controllers for one half at least.

Persistent: by one criterion at least in the period, and in the year before, not necessarily the same. Source: measures.md 7.
"""

from __future__ import annotations

from collections.abc import Collection

import msgspec

from state.calendar import Day
from state.measures import asthma_drugs, eligibility, exclusions, status
from state.measures.asthma_drugs import ANTIBODIES_GIVEN, DrugRules, dispensing_events, supplies, units
from state.measures.bands import Band, band_of
from state.measures.diagnosed_visits import diagnosed_visits
from state.measures.eligibility import is_aged
from state.measures.enrollment import Rule, enrolled, enrolled_on
from state.measures.facts import Fact, Person
from state.measures.outcome import Measure, Outcome, Step, proportion, step
from state.measures.period import Period
from state.measures.status import Statuses
