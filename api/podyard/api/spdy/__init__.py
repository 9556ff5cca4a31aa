"""SPDY/3.1 as bytes: what streams of the Kubernetes API were before WebSockets; port-forward still is.

`framing` has the frames, `headers` their compressed headers. Nothing here knows of a connection.
"""
