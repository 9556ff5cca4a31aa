"""Certificates by request: approved by rule, signed by the cluster's CA, cleaned away afterwards.

Source: kubernetes pkg/controller/certificates/{approver,signer,cleaner}, pkg/apis/certificates/helpers.go.
"""
