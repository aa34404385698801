"""What an operator wrote becomes a `Config`: the legacy ConfigMap here, custom resources beside it."""
