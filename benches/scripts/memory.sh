#!/usr/bin/env bash
# Peak anonymous memory of a seeder and a fetcher for a file of any size:
#   benches/scripts/memory.sh [SIZE]        default 10GiB; needs three times that on the disk of TMPDIR
# Prints one Markdown row a side. Loopback only; ends only what it started.
set -euo pipefail
size=${1:-10GiB}
cd "$(dirname "$0")/../.."
cargo build --release -q -p minimodel-cli
program=${CARGO_TARGET_DIR:-$PWD/target}/release/minimodel
work=$(mktemp -d)
seeder=
trap '[ -z "$seeder" ] || kill "$seeder" 2>/dev/null || true; rm -rf "$work"' EXIT
export MINIMODEL_HOME=$work/home

# The highest RssAnon of a process until it ends, in KiB.
watch() {
    local peak=0 now
    while now=$(awk '/^RssAnon:/ {print $2}' "/proc/$1/status" 2>/dev/null) && [ -n "$now" ]; do
        [ "$now" -le "$peak" ] || { peak=$now; echo "$peak" >"$2"; }
        sleep 0.1
    done
}

"$program" -q sample "$work/model.slm" --bytes "$size" >/dev/null
"$program" -q manifest create "$work/model.slm" --model-id memory --model-version 1 --publisher-id bench \
    --license-route /license --model-card-route /card -o "$work/model.minimodel" >/dev/null
"$program" -q seed "$work/model.minimodel" "$work/model.slm" --listen 127.0.0.1:0 --consent serve >"$work/offer" &
seeder=$!
watch "$seeder" "$work/seeder.peak" &
until [ -s "$work/offer" ]; do kill -0 "$seeder"; sleep 0.2; done
start=$(date +%s.%N)
MINIMODEL_HOME=$work/other "$program" -q fetch "$work/model.minimodel" --peer "$work/offer" --out "$work/out" \
    --consent fetch,import >/dev/null &
fetcher=$!
watch "$fetcher" "$work/fetcher.peak"
wait "$fetcher"
seconds=$(echo "$(date +%s.%N) - $start" | bc)
kill -INT "$seeder"
wait "$seeder" || true
seeder=
echo "| side | file | peak anonymous memory |"
echo "| --- | --- | --- |"
for side in seeder fetcher; do
    echo "| $side | $size | $(($(cat "$work/$side.peak") / 1024)) MiB |"
done
echo "fetched in ${seconds%.*} s"
