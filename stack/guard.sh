# Outlives the process that started it, by an instant. That process holds the other end of our standard input and
# writes one line for each thing that must not survive it; when the pipe ends without `done`, however that process
# died (SIGKILL included), everything still listed is ended and removed here.
#
#   watch <signal> <pid>   forget <pid>   container <name>   network <name>   folder <path>   done
pids=''
containers=''
networks=''
folders=''
newline='
'

while read -r verb value; do
  case $verb in
    watch)
      # To `kill`, 0 and negative numbers mean whole groups of processes.
      case ${value#* } in '' | 0* | *[!0-9]*) ;; *) pids="$pids$value$newline" ;; esac
      ;;
    forget) pids=$(printf '%s' "$pids" | grep -v " $value\$")$newline ;;
    container) containers="$containers $value" ;;
    network) networks="$networks $value" ;;
    folder) folders="$folders$value$newline" ;;
    done) exit 0 ;;
  esac
done

printf '%s' "$pids" | while read -r signal pid; do
  [ -n "$pid" ] || continue
  kill -CONT "$pid" 2>/dev/null
  kill "-$signal" "$pid" 2>/dev/null
done

# A process that has ended but that nobody has waited for (no init in a container) is not alive.
alive() {
  kill -0 "$1" 2>/dev/null || return 1
  case $(ps -o stat= -p "$1" 2>/dev/null) in Z*) return 1 ;; esac
}

# Postgres takes its shared memory along only when it ends by itself: leave it 5 s (50 x 0.1 s).
printf '%s' "$pids" | while read -r signal pid; do
  [ -n "$pid" ] || continue
  tries=50
  while [ $tries -gt 0 ] && alive "$pid"; do
    sleep 0.1
    tries=$((tries - 1))
  done
  kill -KILL "$pid" 2>/dev/null
done
for name in $containers; do
  docker rm --force "$name" >/dev/null 2>&1
done
for name in $networks; do
  docker network rm "$name" >/dev/null 2>&1
done
printf '%s' "$folders" | while read -r folder; do
  [ -n "$folder" ] && rm -rf -- "$folder"
done
exit 0
