#!/bin/sh
# npm run peers -- --quick | npm run peers -- [--runs 3] [--works W1,W3] [--peers rigel,nchan] [--write]: see README.md.
# RIGEL_DIR: a checkout of Rigel after `npm ci` (default: this one). PEERS_BUILD: where binaries and results go.
set -eu
cd "$(dirname "$0")"
RIGEL_DIR=$(cd "${RIGEL_DIR:-../..}" && pwd)
export PEERS_BUILD="${PEERS_BUILD:-${XDG_CACHE_HOME:-$HOME/.cache}/rigel-peers}"
mkdir -p "$PEERS_BUILD"
ulimit -n "$(ulimit -Hn)"
go build -o "$PEERS_BUILD/peers" .
exec taskset -c 1 "$PEERS_BUILD/peers" --rigel "$RIGEL_DIR" --results "$PEERS_BUILD/results.jsonl" "$@"
