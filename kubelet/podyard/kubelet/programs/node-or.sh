# node-or.sh NAME PYTHON -I -S FILE [arguments]: the node's own NAME if it has one, else that Python program.
# The first NAME in PATH is the image's command that has started this, the next one is the node's.
name=$1
shift
IFS=:
own=
for folder in $PATH; do
    [ -x "$folder/$name" ] || continue
    if [ "$own" ]; then
        shift 4
        exec "$folder/$name" "$@"
    fi
    own=$folder
done
exec "$@"
