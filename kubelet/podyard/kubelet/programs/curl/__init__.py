"""What `curl` is on a node that has none: HTTP and HTTPS, with the options that tutorials use.

Texts and exit statuses are curl's (curl.se/libcurl/c/libcurl-errors.html). There is no progress meter.
"""
