"""Programs of the built-in images. They run in pods, by themselves, and import nothing of the kubelet."""
