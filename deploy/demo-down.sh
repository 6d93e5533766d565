# Removes what deploy/demo.sh made, and nothing else. Sourced by it (needs tests/ground's lib.sh and daemons.sh).
#
# What was made is known from the demo's own directory: process ids, the Docker that was used, the registry's address,
# and the id of the store, which every container, network and volume of the demo carries as a label. Only where the
# Docker was started for the demo is everything in it the demo's.
# shellcheck shell=bash disable=SC2154 # `root` and `dir` are demo.sh's

# docker_get PATH [FILTER-JSON]: one call to the Docker that the demo uses.
docker_get() {
    curl -s --max-time 30 --unix-socket "$docker_socket" -G "http://docker$1" ${2:+--data-urlencode "filters=$2"}
}

docker_delete() { curl -s -o /dev/null --max-time 60 --unix-socket "$docker_socket" -X DELETE "http://docker$1"; }

# Of the stores whose label is found in Docker, the one whose id is in the demo's own store file.
demo_store_id() {
    local id filter='{"label":["landfall.store"]}'
    for id in $({ docker_get '/containers/json?all=1' "$filter"; docker_get /networks "$filter"; } \
        | grep -oE '"landfall.store":"[0-9a-f-]+"' | cut -d'"' -f4 | sort -u); do
        ! grep -qaF "$id" "$dir"/data/landfall.db* 2>/dev/null || echo "$id"
    done
}

# ids_of PATH FILTER FIELD
ids_of() { docker_get "$1" "$2" | grep -oE "\"$3\":\"[^\"]+\"" | cut -d'"' -f4 | sort -u; }

remove_from_docker() {
    local store id name label
    if [[ -n $own_docker ]]; then # the demo's alone: nothing to be careful about
        remove_all_containers "$docker_socket"
        for id in $(ids_of /networks '{"type":["custom"]}' Id); do docker_delete "/networks/$id"; done
        return
    fi
    store=$(demo_store_id)
    if [[ -n $store ]]; then
        label="{\"label\":[\"landfall.store=$store\"]}"
        for id in $(ids_of '/containers/json?all=1' "$label" Id); do docker_delete "/containers/$id?force=1&v=1"; done
        for id in $(ids_of /networks "$label" Id); do docker_delete "/networks/$id"; done
        for name in $(ids_of /volumes "$label" Name); do docker_delete "/volumes/$name"; done
    fi
    remove_images
}

# Without force: an image that something else uses stays.
remove_images() {
    local image name
    while read -r image; do
        for name in $(grep -oE "\"(landfall/hello-[^\"]+|$registry/demo/web[^\"]*)\"" <<<"$image" | tr -d '"'); do
            docker_delete "/images/$name"
        done
    done < <(docker_get /images/json | sed 's/},{/}\n{/g' | grep -F "\"$registry/demo/web")
}

demo_down() {
    local docker_socket='' own_docker='' registry='' name
    [[ -e $dir ]] || return 0
    [[ -f $dir/demo.env ]] || die "$dir is not the demo's" "move it away, or set LANDFALL_DEMO_DIR to another directory"
    [[ -O $dir ]] || LANDFALL_DEMO_DIR=$dir rerun_as_root "$root/deploy/demo.sh" down
    # shellcheck disable=SC1091
    source "$dir/demo.env"
    for name in load daemon proxy; do stop_pid_file "$dir/run/$name.pid" 30; done
    if [[ -n $docker_socket && -n $registry ]] && docker_answers "$docker_socket" >/dev/null 2>&1; then
        remove_from_docker
    fi
    stop_daemons "$dir"
    if [[ -n $own_docker ]]; then
        unmount_below "$dir"
        remove_cgroup landfall-demo
    fi
    rm -rf --one-file-system "$dir"
    say "removed what the last demo made"
}
