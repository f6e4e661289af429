"""Fault drills on real processes, with the ledger audited after each: `make drill`."""
