# Kubernetes' pause: nothing but waiting, and a clean end.
trap 'echo "Shutting down, got signal: Terminated" >&2; exit 0' TERM INT
sleep infinity &
wait
