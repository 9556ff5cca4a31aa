"""Streams into pods: exec, attach, port-forward and logs, bridged from kubectl to the kubelet.

`target` decides which container of which node is meant (pure), `negotiation` what is going to be
spoken (pure). `kubelets` dials the node's kubelet. `accept` answers 101 to a WebSocket or to SPDY;
`upgrade` is the connection after that.

exec and attach: `streams` puts together a client's end (`remote` is its contract; `channels` is it over a
WebSocket, `spdy_remote` over SPDY) and the kubelet's, and `bridge` passes everything on between them.
`port_forward` does so for connections, over SPDY alone, which may come inside a WebSocket. `logs`
passes a log on.

`proxy` passes HTTP on to pods and nodes: `locations` says where to, `pod_connection` goes there by the
kubelet's port-forward (with `tls_stream` for HTTPS), `rewrite` makes an answer's links lead through the
proxy (pure), and `kubelet_api` answers for the kubelets. `serve` puts these behind the paths.
"""
