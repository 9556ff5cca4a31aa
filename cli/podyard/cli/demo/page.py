"""The tutorial "Connecting Applications with Services", from its first command to its last.

Commands stand as the page prints them; names and addresses are those that earlier commands have shown.
What is shown differs from the page in names, addresses and ages only, and in what kubectl's versions
print differently. https://kubernetes.io/docs/tutorials/services/connect-applications-service/
"""

from __future__ import annotations

from podyard.cli.demo.transcript import Step, Typed

_IP = r"\d+\.\d+\.\d+\.\d+"
_WELCOME = r"<h1>Welcome to nginx!</h1>"
_PODS = r"^NAME +READY +STATUS +RESTARTS +AGE +IP +NODE"


def _pod_line(pod: str, ip: str) -> str:
    return rf"(?P<{pod}>my-nginx-\S+) +1/1 +Running +0 +\S+ +(?P<{ip}>{_IP})"


_TWO_PODS = (
    rf"^{_pod_line('POD_1', 'POD_IP_1')} +(?P<NODE>node\d+) .*\n"
    rf"{_pod_line('POD_2', 'POD_IP_2')} +(?!(?P=NODE) )node\d+ .*\n\Z"
)

_EXPOSING_PODS = (
    Step(
        "kubectl apply -f ./run-my-nginx.yaml",
        (r"^deployment\.apps/my-nginx created$",),
        title="Two replicas of nginx",
    ),
    Step("kubectl get pods -l run=my-nginx -o wide", (_PODS, _TWO_PODS), look=True),
    Step(
        "kubectl get pods -l run=my-nginx -o yaml | grep podIP",
        (r"^ +podIP: <POD-IP-1>$", r"^ +podIP: <POD-IP-2>$"),
    ),
    Step("curl http://<POD-IP-1>", (_WELCOME,), title="Each pod has an address", look=True, on_node=True),
    Step("curl http://<POD-IP-2>", (_WELCOME,), look=True, on_node=True),
)

_CREATING_A_SERVICE = (
    Step(
        "kubectl expose deployment/my-nginx",
        (r"^service/my-nginx exposed$",),
        title="A Service: one address for both",
    ),
    Step(
        "kubectl get svc my-nginx",
        (
            r"^NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\) +AGE$",
            rf"^my-nginx +ClusterIP +(?P<CLUSTER_IP>{_IP}) +<none> +80/TCP +\d+s$",
        ),
    ),
    Step(
        "kubectl describe svc my-nginx",
        (
            r"^Name: +my-nginx$",
            r"^Namespace: +\S+$",
            r"^Annotations: +<none>$",
            r"^Selector: +run=my-nginx$",
            r"^Type: +ClusterIP$",
            r"^IP: +<CLUSTER-IP>$",
            r"^Port: +<unset> +80/TCP$",
            r"^Endpoints: +(?=\S*<POD-IP-1>:80\b)(?=\S*<POD-IP-2>:80\b)",
            r"^Session Affinity: +None$",
            r"^Events: +<none>$",
        ),
        look=True,
    ),
    Step(
        "kubectl get ep my-nginx",
        (r"^NAME +ENDPOINTS +AGE$", r"^my-nginx +(?=\S*<POD-IP-1>:80\b)(?=\S*<POD-IP-2>:80\b)\S+ +\d+s$"),
        look=True,
    ),
    Step("curl <CLUSTER-IP>:80", (_WELCOME,), look=True, on_node=True),
)

_ACCESSING_THE_SERVICE = (
    Step(
        "kubectl exec <POD-1> -- printenv | grep SERVICE",
        (
            rf"^KUBERNETES_SERVICE_HOST={_IP}\r?$",
            r"^KUBERNETES_SERVICE_PORT=443\r?$",
            r"^KUBERNETES_SERVICE_PORT_HTTPS=443\r?$",
        ),
        (r"^MY_NGINX",),
        title="The environment of a pod that was there before the Service",
    ),
    Step(
        "kubectl scale deployment my-nginx --replicas=0; kubectl scale deployment my-nginx --replicas=2;",
        (r"\A(deployment\.apps/my-nginx scaled\n){2}\Z",),
        title="New pods, after the Service",
    ),
    Step("kubectl get pods -l run=my-nginx -o wide", (_PODS, _TWO_PODS), (r"<POD-1>", r"<POD-2>"), look=True),
    Step(
        "kubectl exec <POD-1> -- printenv | grep SERVICE",
        (
            r"^KUBERNETES_SERVICE_PORT=443\r?$",
            r"^MY_NGINX_SERVICE_HOST=<CLUSTER-IP>\r?$",
            rf"^KUBERNETES_SERVICE_HOST={_IP}\r?$",
            r"^MY_NGINX_SERVICE_PORT=80\r?$",
            r"^KUBERNETES_SERVICE_PORT_HTTPS=443\r?$",
        ),
    ),
    Step(
        "kubectl get services kube-dns --namespace=kube-system",
        (
            r"^NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\) +AGE$",
            rf"^kube-dns +ClusterIP +(?P<DNS_IP>{_IP}) +<none> +53/UDP,53/TCP +\S+$",
        ),
        title="The Service's name",
    ),
    Step(
        "kubectl run curl --image=radial/busyboxplus:curl -i --tty",
        talk=(
            Typed(
                "nslookup my-nginx",
                (
                    r"^Server: +<DNS-IP>$",
                    r"^Address 1: +<DNS-IP>$",
                    r"^Name: +my-nginx$",
                    r"^Address 1: +<CLUSTER-IP>$",
                ),
            ),
            Typed("curl my-nginx", (_WELCOME,)),
            Typed("env", (r"^MY_NGINX_SERVICE_HOST=<CLUSTER-IP>$", r"^HOSTNAME=curl$")),
            Typed("ps", (r"^ *PID\b.*\bC(OM)?M(AN)?D$", r"\bsh$")),
            Typed("exit"),
        ),
    ),
    Step("kubectl delete pod curl --now", (r'^pod "curl" deleted',)),
)

_SECRET = "kubectl create secret generic nginxsecret --from-file=<TMP>/nginx.crt --from-file=<TMP>/nginx.key"
_SECRETS = (r"^NAME +TYPE +DATA +AGE$", r"^nginxsecret +Opaque +2 +\d+s$")

_SECURING_THE_SERVICE = (
    Step(
        "make keys secret KEY=<TMP>/nginx.key CERT=<TMP>/nginx.crt SECRET=<TMP>/secret.json",
        (r"^openssl req ",),
        title="A key and a certificate, in a Secret",
        needs="make",
    ),
    Step("kubectl apply -f <TMP>/secret.json", (r"^secret/nginxsecret created$",), needs="make"),
    Step("kubectl get secrets", _SECRETS, needs="make"),
    Step(
        "openssl req -x509 -nodes -days 365 -newkey rsa:2048 "
        '-keyout <TMP>/nginx.key -out <TMP>/nginx.crt -subj "/CN=my-nginx/O=my-nginx"',
        title="The same by hand",
    ),
    Step("cat <TMP>/nginx.crt | base64", (r"\ALS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0t",)),
    Step("cat <TMP>/nginx.key | base64", (r"\ALS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0t",)),
    Step(f"{_SECRET} --dry-run=client -o yaml > nginxsecrets.yaml"),
    Step("kubectl apply -f nginxsecrets.yaml", (r"^secret/nginxsecret (created|configured)$",)),
    Step("kubectl get secrets", _SECRETS),
    Step(
        "kubectl delete deployments,svc my-nginx; kubectl create -f ./nginx-secure-app.yaml",
        (
            r'^deployment\.apps "my-nginx" deleted',
            r'^service "my-nginx" deleted',
            r"^service/my-nginx created$",
            r"^deployment\.apps/my-nginx created$",
        ),
        title="nginx with the certificate",
    ),
    Step(
        "kubectl get pods -o yaml | grep -i podip",
        (rf"\A +podIP: (?P<POD_IP>{_IP})\n +podIPs:\n\Z",),
        (r"podIP: (<POD-IP-1>|<POD-IP-2>)$",),
        look=True,
    ),
    Step("curl -k https://<POD-IP>", (_WELCOME,), look=True, on_node=True),
    Step(
        "kubectl apply -f ./curlpod.yaml",
        (r"^deployment\.apps/curl-deployment created$",),
        title="A pod that trusts the certificate",
    ),
    Step(
        "kubectl get pods -l app=curlpod",
        (
            r"^NAME +READY +STATUS +RESTARTS +AGE$",
            r"^(?P<CURL_POD>curl-deployment-\S+) +1/1 +Running +0 +\d+s$",
        ),
        look=True,
    ),
    Step(
        "kubectl exec <CURL-POD> -- curl https://my-nginx --cacert /etc/nginx/ssl/nginx.crt",
        (r"<title>Welcome to nginx!</title>",),
        look=True,
    ),
)

_EXPOSING_THE_SERVICE = (
    Step(
        "kubectl get svc my-nginx -o yaml | grep nodePort -C 5",
        (
            r"^  - name: http\n    nodePort: \d+\n    port: 8080\n    protocol: TCP\n    targetPort: 80$",
            r"^  - name: https\n    nodePort: (?P<NODE_PORT>\d+)\n    port: 443\n    protocol: TCP\n"
            r"    targetPort: 443$",
        ),
        title="From outside: a port of every node",
    ),
    Step(
        "kubectl get nodes -o yaml | grep ExternalIP -C 1",
        (rf"^ +- address: (?P<EXTERNAL_IP>{_IP})\n +type: ExternalIP$",),
    ),
    Step("curl https://<EXTERNAL-IP>:<NODE-PORT> -k", (_WELCOME,), look=True),
    Step(
        'KUBE_EDITOR="sed -i s/NodePort/LoadBalancer/" kubectl edit svc my-nginx',
        (r"^service/my-nginx edited$",),
        title="From outside: an address of its own",
    ),
    Step(
        "kubectl get svc my-nginx",
        (
            r"^NAME +TYPE +CLUSTER-IP +EXTERNAL-IP +PORT\(S\) +AGE$",
            rf"^my-nginx +LoadBalancer +{_IP} +(?P<EXTERNAL_IP>{_IP}) +8080:\d+/TCP,443:<NODE-PORT>/TCP ",
        ),
        look=True,
    ),
    Step("curl https://<EXTERNAL-IP> -k", (r"<title>Welcome to nginx!</title>",), look=True, on_node=True),
    Step(
        "kubectl describe service my-nginx",
        (r"^LoadBalancer Ingress: +<EXTERNAL-IP>( \(VIP\))?$",),
        look=True,
    ),
)

_LEAVING = (
    Step("kubectl delete deployments,svc my-nginx", title="All of it goes"),
    Step("kubectl delete deployment/curl-deployment secret/nginxsecret"),
    Step("kubectl get pods -l run=my-nginx", (r"^No resources found",), look=True),
)

PAGE = (
    *_EXPOSING_PODS,
    *_CREATING_A_SERVICE,
    *_ACCESSING_THE_SERVICE,
    *_SECURING_THE_SERVICE,
    *_EXPOSING_THE_SERVICE,
    *_LEAVING,
)
