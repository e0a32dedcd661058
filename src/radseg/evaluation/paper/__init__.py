"""What the paper states: its numbers, and the protocols behind them."""
