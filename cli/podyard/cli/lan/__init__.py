"""The network between the nodes of a cluster on one host, with `--network netns`.

    host (or the namespaces of a rootless cluster)   "lan"           node1 … nodeN
    podyard-up0 10.10.0.254/24 ───────────────────── bridge ──────── eth0 10.10.0.N/24
    routes to pods and Services, by the nodes                        bridge, pods, Services

The bridge is in a namespace of its own, where no firewall of the host meddles with it. All of these
namespaces are kept by holders (`rootless.holder`), which outlive a killed `podyard up`; a link goes with
either of its ends. So what is left on the host when everything has been killed is at most a table of
nftables, which the next `up` replaces and `down` removes.
"""
