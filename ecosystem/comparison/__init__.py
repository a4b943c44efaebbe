"""Two or more corpora side by side: on what their holders agree, on what they do not, and which statements show it."""
