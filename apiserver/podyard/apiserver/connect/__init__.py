"""Streams into pods: exec, attach and logs, bridged from kubectl to the kubelet.

`target` decides which container of which node is meant (pure). `kubelets` dials the node's
kubelet, `channels` is the format in which kubectl multiplexes a stream over a WebSocket (pure),
`streams` bridges the two for exec and attach, and `logs` passes a log on. `serve` puts these
behind the paths.
"""
