#!/usr/bin/env bash
# What a companion with many idle shares costs: threads, memory, wakeups and UDP ports.
#   benches/scripts/idle-shares.sh [SHARES] [SECONDS]        default 50 30; PROGRAM=path takes a program that is built already
# Prints one Markdown row. Nothing is dialed; ends only what it started.
set -euo pipefail
shares=${1:-50} seconds=${2:-30}
cd "$(dirname "$0")/../.."
[ -n "${PROGRAM:-}" ] || cargo build --release -q -p minimodel-cli
program=${PROGRAM:-${CARGO_TARGET_DIR:-$PWD/target}/release/minimodel}
work=$(mktemp -d)
companion=
trap '[ -z "$companion" ] || kill "$companion" 2>/dev/null || true; rm -rf "$work"' EXIT
export MINIMODEL_HOME=$work/home

"$program" companion run >"$work/address" 2>&1 &
companion=$!
until [ -s "$work/address" ]; do kill -0 "$companion"; sleep 0.1; done
for n in $(seq "$shares"); do
    "$program" -q sample "$work/$n.slm" --bytes "$((64 + n))KiB" >/dev/null
    "$program" -q manifest create "$work/$n.slm" --model-id "m$n" --model-version 1 --publisher-id bench \
        --license-route /license --model-card-route /card -o "$work/$n.minimodel" >/dev/null
    "$program" -q seed --detach --consent serve "$work/$n.minimodel" "$work/$n.slm" >>"$work/offers"
done
# Threads for disk work end ten seconds after their last work.
sleep 15

# Voluntary context switches of all threads so far.
switches() { cat "/proc/$companion"/task/*/status | awk '/^voluntary_ctxt_switches/ {sum += $2} END {print sum}'; }
cpu() { awk '{print $14 + $15}' "/proc/$companion/stat"; }
before=$(switches) cpu_before=$(cpu)
sleep "$seconds"
woken=$(($(switches) - before)) ticks=$(($(cpu) - cpu_before))
memory() { awk -v name="$1:" '$1 == name {print $2}' "/proc/$companion/status"; }
# The inodes of this process's sockets, looked up among the UDP sockets of the machine.
sockets=$(ls -l "/proc/$companion/fd" | sed -n 's/.*socket:\[\([0-9]*\)\]$/\1/p')
udp=$(cat /proc/net/udp /proc/net/udp6 | awk '{print $10}' | grep -cxF "$sockets" || true)

echo "| shares | UDP sockets | threads | RSS KiB | anonymous KiB | wakeups a second | CPU ms a second |"
echo "| --- | --- | --- | --- | --- | --- | --- |"
echo "| $(wc -l <"$work/offers") | $udp | $(memory Threads) | $(memory VmRSS) | $(memory RssAnon) | $((woken / seconds)) | $((ticks * 10 / seconds)) |"
