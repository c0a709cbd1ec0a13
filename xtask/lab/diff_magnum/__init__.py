"""Compares the answers of Jeroboam with those of PyPI's Magnum; `cargo xtask diff-magnum` runs it."""
