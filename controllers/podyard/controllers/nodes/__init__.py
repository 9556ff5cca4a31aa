"""Controllers of nodes and of the pods that have lost theirs.

`ipam` gives each node its part of the cluster's pod addresses; `lifecycle` notices silent nodes and
keeps the taints that follow from conditions (`health` decides: pure); `eviction` deletes pods from
nodes whose NoExecute taints they do not tolerate; `podgc` deletes pods that nobody else will.
Source: k8s.io/kubernetes pkg/controller/nodeipam, nodelifecycle, tainteviction, podgc.
"""
