# Stops the shared test server once nobody has used it for a while.
#
# $1: the cluster's directory; $2: how many idle seconds to wait.
# Every test process holds users.lock shared for as long as it lives; the kernel lets go of it
# even after kill -9. Whoever holds keeper.lock is the one keeper.
cd "$1" || exit 1
exec 8<keeper.lock 9<users.lock
flock -n 8 || exit 0
while :; do
    flock 9 8<&- && flock -u 9
    sleep "$2" 8<&- 9<&-
    flock -n 9 && break
done
# users.lock is ours: a newcomer waits until we are gone, then starts a server of its own.
pid=$(head -n 1 server/data/postmaster.pid 2>/dev/null)
if [ -n "$pid" ]; then
    args=$(tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null || ps -o args= -p "$pid" 2>/dev/null)
    case $args in
    *"$1/server/data"*)
        kill -QUIT "$pid"
        while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
        ;;
    esac
fi
rm -rf server
