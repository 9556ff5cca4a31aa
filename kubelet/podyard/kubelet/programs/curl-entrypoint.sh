# As in the curlimages/curl image: arguments that are no command of their own are curl's.
case "$1" in
-*) set -- curl "$@" ;;
*) command -v "$1" >/dev/null || set -- curl "$@" ;;
esac
exec "$@"
