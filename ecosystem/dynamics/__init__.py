"""What moves a debate: alignment, argument exchange, coalitions, and the events they leave."""
