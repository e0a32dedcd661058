"""From published checkpoints to our one form: restricted reading and explicit key maps; nothing runs."""
