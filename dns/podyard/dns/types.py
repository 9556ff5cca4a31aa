"""The numbers of DNS (IANA, "Domain Name System (DNS) Parameters")."""

from __future__ import annotations

A, NS, CNAME, SOA, PTR, HINFO, TXT, AAAA, SRV = 1, 2, 5, 6, 12, 13, 16, 28, 33
OPT, IXFR, AXFR, ANY = 41, 251, 252, 255
CLASS_IN = 1

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED = range(6)
BADVERS = 16
RCODES = {
    NOERROR: "NOERROR",
    FORMERR: "FORMERR",
    SERVFAIL: "SERVFAIL",
    NXDOMAIN: "NXDOMAIN",
    NOTIMP: "NOTIMP",
    REFUSED: "REFUSED",
    BADVERS: "BADVERS",
}
