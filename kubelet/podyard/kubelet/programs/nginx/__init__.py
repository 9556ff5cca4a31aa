"""What `nginx` is in a pod: the node's nginx with a configuration of ours, or a small server of our own."""
