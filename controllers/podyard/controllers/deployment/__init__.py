"""The Deployment controller.

`plan.plan(deployment, replica_sets, pods, now)` decides what one sync does, without doing it:
`rollout` chooses the sizes, `revisions` knows new from old and numbers them, `sizes` has the
arithmetic, `status` the status and its conditions. `controller` does what the plan says.
Source: k8s.io/kubernetes pkg/controller/deployment.
"""
