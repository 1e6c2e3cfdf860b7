# Outlives its owner and cleans up after it. Started with its standard input on a pipe that
# only the owner holds open; arguments: the signal that stops Postgres, the directory of its
# sockets, another directory to remove.
trap '' HUP INT QUIT TERM
signal=$1
sockets=$2
shift

# The owner writes the pid of each Postgres that it starts; end of file means that it is gone.
pid=
while read -r line; do pid=$line; done

# A pid alone proves nothing, it may have been given to another process; the name of the
# directory is random and stands among the arguments.
ours() {
    [ -n "$pid" ] || return 1
    { cat "/proc/$pid/cmdline" || ps -ww -o command= -p "$pid"; } 2>/dev/null |
        tr '\0' '\n' | grep -qF -e "$sockets"
}

tries=0
while ours && [ $tries -lt 600 ]; do
    case $tries in
    0) kill -s "$signal" "$pid" ;;
    300) kill -s QUIT "$pid" ;;
    500) kill -s KILL "$pid" ;;
    esac
    tries=$((tries + 1))
    sleep 0.05 || sleep 1
done 2>/dev/null

# Processes that are still ending may write once more.
tries=0
until rm -rf -- "$@" || [ $tries -ge 100 ]; do
    tries=$((tries + 1))
    sleep 0.1 || sleep 1
done 2>/dev/null
