"""A cluster without root, in namespaces of its own.

An ordinary user may not bind port 53 or 80 on the host, but may make a user namespace, and in it a
network namespace where everything is allowed. So:

- the *holder* (`holder.py`) is a process that does nothing but keep a user, a network and a mount
  namespace. It outlives a killed `podyard up`, so that pods and their network do too; `down` ends it.
- every component is started through `enter.py`, which enters these namespaces and becomes it.
- the *gate* (`gate.py`) runs inside and passes connections in. The listening sockets are made outside,
  by `podyard up` (`listeners.py`), and handed to it: a socket stays in the namespace it was made in.
- `podyard shell` gives a shell inside.

What the host reaches, on 127.0.0.1 and on each node's address: the Kubernetes API and node ports;
and on their own addresses: load balancers, as far as their ports are not below 1024. TCP only.
"""
