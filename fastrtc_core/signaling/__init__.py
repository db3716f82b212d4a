"""The one door for offers, in whatever words they come: whoever is let in passes the acceptor."""
