"""Stories: findings in order with text between them, as pages of live views and as one HTML file."""
