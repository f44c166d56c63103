"""The receiver: keeps each postback, and only then answers 200. It never parses."""
