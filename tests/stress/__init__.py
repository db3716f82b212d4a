"""Days of joins, kills, outages and stalls, and servers that lack what they need."""
