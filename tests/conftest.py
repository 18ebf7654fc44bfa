"""What every test may use: the fixtures of tests/fixtures, one module for one kind of thing."""

from __future__ import annotations

pytest_plugins = ["tests.fixtures.lengths", "tests.fixtures.brokers", "tests.fixtures.workers"]
