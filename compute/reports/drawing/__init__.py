"""What all reports are drawn with."""
