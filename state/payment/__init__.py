"""From a frozen period to money: what a contract means, elements 1 to 3, statements, the money ledger.

Pure functions from (contract, program tables, frozen panels and rates) to amounts; one rule of payment.md in one module.
Amounts are `Decimal` dollars; nothing here knows of a claim's versions or of who is attributed.
"""
