"""Where nginx serves in this pod, what it serves, and a configuration for the real one."""

from __future__ import annotations

import os

DEFAULT_VERSION = "1.29.3"
DOCUMENT_ROOT = "/usr/share/nginx/html"
PATHS = ("/usr/sbin", "/usr/local/sbin", "/usr/bin", "/usr/local/bin", "/usr/local/nginx/sbin")

PAGE = """\
<!DOCTYPE html>
<html>
<head>
<title>Welcome to nginx!</title>
<style>
html { color-scheme: light dark; }
body { width: 35em; margin: 0 auto;
font-family: Tahoma, Verdana, Arial, sans-serif; }
</style>
</head>
<body>
<h1>Welcome to nginx!</h1>
<p>If you see this page, the nginx web server is successfully installed and
working. Further configuration is required.</p>

<p>For online documentation and support please refer to
<a href="http://nginx.org/">nginx.org</a>.<br/>
Commercial support is available at
<a href="http://nginx.com/">nginx.com</a>.</p>

<p><em>Thank you for using nginx.</em></p>
</body>
</html>
"""

CONFIG = """\
{user}worker_processes 1;
pid {directory}/nginx.pid;
error_log stderr notice;
events {{ worker_connections 1024; }}
http {{
    types {{
        text/html html htm;
        text/css css;
        text/plain txt;
        text/xml xml;
        application/javascript js;
        application/json json;
        image/gif gif;
        image/jpeg jpg jpeg;
        image/png png;
        image/svg+xml svg;
    }}
    default_type application/octet-stream;
    log_format main '$remote_addr - $remote_user [$time_local] "$request" $status $body_bytes_sent '
                    '"$http_referer" "$http_user_agent" "$http_x_forwarded_for"';
    access_log /dev/stdout main;
    client_body_temp_path {directory}/client_temp;
    proxy_temp_path {directory}/proxy_temp;
    fastcgi_temp_path {directory}/fastcgi_temp;
    uwsgi_temp_path {directory}/uwsgi_temp;
    scgi_temp_path {directory}/scgi_temp;
    sendfile on;
    keepalive_timeout 65;
    server {{
{listen}
        server_name localhost;
        root {root};
        index index.html index.htm;
    }}
}}
"""


class Site:
    """One nginx: its directory, its addresses, and the files of its certificate if it speaks TLS.

    What it serves is what a volume has put at the nginx image's document root, else a page of its own.
    """

    def __init__(
        self,
        directory: str,
        address: str,
        ports: list[int],
        tls_port: int,
        certificate: tuple[str, str] | None,
    ) -> None:
        self.directory = directory
        self.address = address
        self.ports = [port for port in ports if port != tls_port]
        self.tls_port = tls_port if tls_port in ports and certificate else 0
        self.certificate = certificate
        self.version = os.environ.get("NGINX_VERSION") or DEFAULT_VERSION
        self.root = DOCUMENT_ROOT if is_mounted(DOCUMENT_ROOT) else f"{directory}/html"
        self.pid_file = f"{directory}/nginx.pid"
        self.config_file = f"{directory}/nginx.conf"

    def config(self) -> str:
        """The configuration for the real nginx."""
        lines = [f"        listen {self.address}:{port};" for port in self.ports]
        if self.tls_port and self.certificate:
            lines.append(f"        listen {self.address}:{self.tls_port} ssl;")
            lines.append(f"        ssl_certificate {self.certificate[0]};")
            lines.append(f"        ssl_certificate_key {self.certificate[1]};")
        user = "user root;\n" if os.geteuid() == 0 else ""
        listen = "\n".join(lines)
        return CONFIG.format(user=user, directory=self.directory, root=self.root, listen=listen)


def prepare(tls: str) -> Site:
    """Read the pod's address from the environment; write the page and the configuration once."""
    port, _, files = tls.partition(":")
    certificate, _, key = files.partition(":")
    directory = f"{os.environ.get('PODYARD_DIRECTORY', '/tmp')}/nginx"
    site = Site(
        directory=directory,
        address=os.environ.get("PODYARD_POD_IP", "0.0.0.0"),
        ports=[int(text) for text in os.environ.get("PODYARD_PORTS", "80").split()],
        tls_port=int(port or 0),
        certificate=(certificate, key) if tls else None,
    )
    os.makedirs(f"{directory}/html", exist_ok=True)
    for path, text in ((f"{directory}/html/index.html", PAGE), (site.config_file, site.config())):
        if not os.path.exists(path):
            with open(path, "w", encoding="utf-8") as file:
                file.write(text)
    return site


def is_mounted(path: str) -> bool:
    """Whether a volume of the pod is mounted at `path` or below it."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
        points = [line.split()[4] for line in table]
    return any(point == path or point.startswith(f"{path}/") for point in points)


def find_nginx() -> str | None:
    """The node's nginx. (`nginx` in PATH is this program.)"""
    for folder in PATHS:
        path = f"{folder}/nginx"
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    return None
