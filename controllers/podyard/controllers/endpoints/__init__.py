"""Endpoints and EndpointSlices: at which addresses a Service is served.

`pods` turns pods into endpoints, `slices` fits endpoints into EndpointSlices with few changes,
`subsets` makes the older Endpoints objects, `mirror` reads hand-made ones: all pure.
`slice_controller`, `endpoints_controller` and `mirroring_controller` do the writing; `services`
tells which Services a pod belongs to. Source: k8s.io/kubernetes pkg/controller/endpoint,
pkg/controller/endpointslice, pkg/controller/endpointslicemirroring, k8s.io/endpointslice.
"""
