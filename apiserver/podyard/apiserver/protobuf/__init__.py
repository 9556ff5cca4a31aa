"""Objects in Kubernetes' protobuf, which kubectl 1.32 and later send for the kinds that they know.

`fields.json` says which fields the messages have; `generate` made it from the descriptors that a
kubectl binary carries (Kubernetes is under the Apache License 2.0). `wire` reads the encoding and
`decode` makes JSON objects of it. podyard never answers in protobuf: clients take JSON as well.
"""
