#!/usr/bin/env bash
# The rate between two companions, whose transfers share one UDP endpoint each, against two processes of their own.
#   benches/scripts/companion-rate.sh [SIZE] [PAIRS] [IDLE]    default 1GiB 5 0; IDLE other shares run beside in the serving companion;
#   PROGRAM=path takes a program that is built already, TMPDIR=/dev/shm keeps the disk out of it
# Prints one Markdown row a pair: seconds of the whole fetch in processes, between companions, and their ratio. Ends only what it started.
set -euo pipefail
size=${1:-1GiB} pairs=${2:-5} idle=${3:-0}
cd "$(dirname "$0")/../.."
[ -n "${PROGRAM:-}" ] || cargo build --release -q -p minimodel-cli
program=${PROGRAM:-${CARGO_TARGET_DIR:-$PWD/target}/release/minimodel}
work=$(mktemp -d)
running=()
trap 'for id in "${running[@]}"; do kill "$id" 2>/dev/null || true; done; wait; rm -rf "$work"' EXIT

sample() { # NAME BYTES
    "$program" -q sample "$work/$1.slm" --bytes "$2" >/dev/null
    "$program" -q manifest create "$work/$1.slm" --model-id "$1" --model-version 1 --publisher-id bench \
        --license-route /license --model-card-route /card -o "$work/$1.minimodel" >/dev/null
}
until_filled() { until [ -s "$1" ]; do kill -0 "$2"; sleep 0.05; done; }
companion() { # HOME
    MINIMODEL_HOME=$work/$1 "$program" companion run >"$work/$1.address" 2>&1 &
    running+=($!)
    until_filled "$work/$1.address" $!
}
fetch() { # HOME OFFER OPTIONS...: prints seconds
    local home=$1 offer=$2 begun
    shift 2
    begun=$(date +%s%N)
    MINIMODEL_HOME=$work/$home "$program" -q fetch --offer "$offer" --consent fetch,import --out "$work/out" "$@" >/dev/null
    echo $((($(date +%s%N) - begun) / 1000000))
    rm -rf "$work/out"
}

sample model "$size"
MINIMODEL_HOME=$work/alone "$program" -q seed --here --consent serve --listen 127.0.0.1:0 --offer-out "$work/alone.offer" \
    "$work/model.minimodel" "$work/model.slm" >/dev/null &
running+=($!)
until_filled "$work/alone.offer" $!
companion seeding
for n in $(seq "$idle"); do
    sample "idle$n" "$((64 + n))KiB"
    MINIMODEL_HOME=$work/seeding "$program" -q seed --detach --consent serve "$work/idle$n.minimodel" "$work/idle$n.slm" >/dev/null
done
shared=$(MINIMODEL_HOME=$work/seeding "$program" -q seed --detach --consent serve "$work/model.minimodel" "$work/model.slm")
companion fetching

echo "| pair | processes, ms | companions, ms | ratio |"
echo "| --- | --- | --- | --- |"
for pair in $(seq "$pairs"); do
    processes=$(fetch leeching "$(cat "$work/alone.offer")" --listen 127.0.0.1:0)
    companions=$(fetch fetching "$shared")
    echo "| $pair | $processes | $companions | $(awk "BEGIN {printf \"%.2f\", $companions / $processes}") |"
done
