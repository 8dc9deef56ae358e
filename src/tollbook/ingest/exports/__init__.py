"""What other programs leave in files: transcripts, logs and exports, row by row to events."""
