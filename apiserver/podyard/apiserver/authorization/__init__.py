"""Who may do what in a cluster: the components, the nodes and those who are to become one.

`roles` has what each component may do, `node` what a node may. Whoever is neither may do everything,
as there is no RBAC yet: administrators, and the ServiceAccounts.
"""
