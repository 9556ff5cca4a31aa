"""Garbage collection: objects go when the last of their owners has gone.

`graph` knows who owns whom (pure); `plan` decides what to do about one object (pure);
`collector` watches every resource, asks the apiserver before anything is deleted, and does it.
Source: k8s.io/kubernetes pkg/controller/garbagecollector.
"""
