"""The workers: they run the jobs of one queue each; the sweep finds what was left undone."""
