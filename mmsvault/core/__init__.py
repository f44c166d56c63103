"""What everything else rests on and knows nothing of messages: it imports nothing of the vault."""
