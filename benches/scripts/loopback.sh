#!/usr/bin/env bash
# Seconds from process start to receipt for real processes on loopback, and CPU seconds of both sides:
#   benches/scripts/loopback.sh [SIZE] [SEEDERS] [RUNS]      default 1GiB 1 5
# Set TMPDIR to a folder in memory (/dev/shm) to leave the disk out. Ends only what it started.
set -euo pipefail
size=${1:-1GiB} seeders=${2:-1} runs=${3:-5}
cd "$(dirname "$0")/../.."
[ -n "${NO_BUILD:-}" ] || cargo build --release -q -p minimodel-cli
program=${CARGO_TARGET_DIR:-$PWD/target}/release/minimodel
work=$(mktemp -d)
pids=()
trap 'for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done; rm -rf "$work"' EXIT

MINIMODEL_HOME=$work/home "$program" -q sample "$work/model.slm" --bytes "$size" >/dev/null
MINIMODEL_HOME=$work/home "$program" -q manifest create "$work/model.slm" --model-id loopback --model-version 1 \
    --publisher-id bench --license-route /license --model-card-route /card -o "$work/model.minimodel" >/dev/null
peers=()
for n in $(seq "$seeders"); do
    MINIMODEL_HOME=$work/seeder$n "$program" -q seed "$work/model.minimodel" "$work/model.slm" --listen 127.0.0.1:0 \
        --consent serve >"$work/offer$n" &
    pids+=($!)
    peers+=(--peer "$work/offer$n")
done
for n in $(seq "$seeders"); do until [ -s "$work/offer$n" ]; do sleep 0.1; done; done

# User and system CPU seconds of the seeders so far.
served() { for pid in "${pids[@]}"; do awk '{print ($14 + $15) / 100}' "/proc/$pid/stat"; done | paste -sd+ | bc; }

echo "| run | wall s | fetcher CPU s | seeders CPU s | fetcher peak RSS MiB |"
echo "| --- | --- | --- | --- | --- |"
for run in $(seq 0 "$runs"); do
    rm -rf "$work/out"
    before=$(served)
    /usr/bin/env time -f "%e %U %S %M" -o "$work/time" env MINIMODEL_HOME="$work/fetcher" \
        "$program" -q fetch "$work/model.minimodel" "${peers[@]}" --out "$work/out" --consent fetch,import >/dev/null
    read -r wall user sys rss <"$work/time"
    # The first run warms the caches and is not counted.
    [ "$run" = 0 ] || echo "| $run | $wall | $(echo "$user + $sys" | bc) | $(echo "$(served) - $before" | bc) | $((rss / 1024)) |"
done | tee "$work/rows"
echo "median wall: $(awk '/^\|/ {print $4}' "$work/rows" | sort -n | sed -n "$(((runs + 1) / 2))p") s for $size from $seeders"
