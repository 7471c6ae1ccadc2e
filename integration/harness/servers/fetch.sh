#!/bin/sh
# Fetches the servers pinned in pom.xml, and the library pinned in streams.xml, into .servers/ at
# the root of the repository, or into $PAWL_SERVERS_DIR. What is there already is not fetched
# again; two at once take turns.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
dest=${PAWL_SERVERS_DIR:-$(cd "$here/../../.." && pwd)/.servers}

say() { printf 'servers: %s\n' "$*"; }
die() { printf 'servers: %s\n' "$*" >&2; exit 1; }

# checksum prints the SHA-256 of a file; a stamp holds the one of the pom that was fetched.
checksum() {
	if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi |
		cut -d ' ' -f 1
}

# fetched POM STAMP tells whether the stamp is the one of today's pom.
fetched() { [ -f "$dest/$2" ] && [ "$(cat "$dest/$2")" = "$(checksum "$here/$1")" ]; }

# fetch POM STAMP WHAT FOLDER... replaces the folders by what the pom pins.
fetch() {
	pom=$1 stamp=$2 what=$3
	shift 3
	fetched "$pom" "$stamp" && return
	# Everything goes to a folder of its own first, so that a fetch that dies leaves nothing half
	# done.
	rm -rf "$part"
	mkdir -p "$part"
	say "fetching $what into $dest"
	if ! mvn -B -q -ntp -Dstyle.color=never -f "$here/$pom" -Dservers="$part" package \
		>"$dest/fetch.log" 2>&1; then
		tail -n 20 "$dest/fetch.log" >&2
		die "mvn failed, see above and $dest/fetch.log; is the network reachable?"
	fi
	rm -f "$dest/$stamp"
	for folder in "$@"; do
		rm -rf "${dest:?}/$folder"
		mv "$part/$folder" "$dest/"
	done
	checksum "$here/$pom" >"$dest/$stamp"
}

if fetched pom.xml stamp && fetched streams.xml streams.stamp; then
	say "up to date in $dest"
	exit 0
fi

command -v java >/dev/null || die "java not found: install a JDK or JRE, 17 or newer"
command -v mvn >/dev/null || die "mvn not found: install Apache Maven 3.8 or newer"
major=$(java -version 2>&1 | sed -n 's/.* version "\([0-9]*\).*/\1/p' | head -n 1)
[ "${major:-0}" -ge 17 ] || die "java ${major:-of unknown version} found: Kafka needs 17 or newer"

mkdir -p "$dest"
if command -v flock >/dev/null; then
	exec 9>"$dest/lock"
	flock -n 9 || { say "waiting for another fetch into $dest"; flock 9; }
fi

part=$dest/part.$$
trap 'rm -rf "$part"' EXIT
trap 'exit 1' HUP INT TERM
fetch pom.xml stamp "Apache Kafka and Apicurio Registry (about 130 MB)" kafka registry
fetch streams.xml streams.stamp "Kafka Streams (about 95 MB)" streams
say "ready in $dest"
