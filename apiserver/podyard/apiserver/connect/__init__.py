"""Streams into pods: exec, attach, port-forward and logs, bridged from kubectl to the kubelet.

`target` decides which container of which node is meant (pure), `negotiation` what is going to be
spoken (pure). `kubelets` dials the node's kubelet. `accept` answers 101 to a WebSocket or to SPDY;
`upgrade` is the connection after that.

exec and attach: `streams` puts together a client's end (`remote` is its contract; `websocket_remote` is it
over the `channels` of a WebSocket, `spdy_remote` over SPDY) and the kubelet's, and `bridge` passes everything
on between them. `port_forward` passes connections on (`forwarding` one of them), over SPDY, which may come
inside a WebSocket, and `port_channels` over channels. `logs` passes a log on.

`proxy` passes HTTP on to pods and nodes: `locations` says where to, `pod_connection` goes there by the
kubelet's port-forward (with `tls_stream` for HTTPS), `rewrite` makes an answer's links lead through the
proxy (pure), and `kubelet_api` answers for the kubelets. `serve` puts these behind the paths.
"""
