"""What `nslookup` is in busybox' images: a question to the DNS, and an answer in busybox' form."""
