"""How other hosts become nodes of a cluster: what the server tells them, tokens, and joining itself."""
