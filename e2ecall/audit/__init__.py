"""What an auditor runs: so far, the specification against code and tests."""
