"""What an operator wrote, as text, becomes a `Config`: the legacy ConfigMap here, custom resources beside it."""
