#!/bin/sh
# Installs what a bare Debian machine lacks to build and test Millrace: a C++
# compiler (DuckDB is linked in), Go, Node (the browser library and the page). What is there
# and new enough is left alone; Go and Node go to .build/, nothing else of the
# machine changes but Debian packages.
set -eu
cd "$(dirname "$0")/.."

GO_WANTED=1.26.8
GO_LEAST=1.26
NODE_WANTED=22.20.0
NODE_LEAST=20.19

say() { printf '%s\n' "$*" >&2; }

apt_install() {
	sudo=
	if [ "$(id -u)" != 0 ]; then
		sudo="sudo -n"
		$sudo true 2>/dev/null || {
			say "Missing: $*. Install them and run this again:"
			say "    sudo apt-get install $*"
			exit 1
		}
	fi
	command -v apt-get >/dev/null || {
		say "Missing: $*, and this machine has no apt-get. Install them and run this again."
		exit 1
	}
	say "Installing $*"
	[ -n "${apt_updated:-}" ] || $sudo apt-get update -qq
	apt_updated=1
	DEBIAN_FRONTEND=noninteractive $sudo apt-get install -y -qq --no-install-recommends "$@" >/dev/null
}

# at_least HAVE LEAST: compares versions.
at_least() { [ "$(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1)" = "$2" ]; }

go_version() { "$1" env GOVERSION 2>/dev/null | sed 's/^go//; s/[^0-9.].*//'; }

need_compiler() {
	{ command -v gcc && command -v g++ && [ -e /usr/include/stdio.h ]; } >/dev/null || apt_install gcc g++ libc6-dev
	[ -e /etc/ssl/certs/ca-certificates.crt ] || apt_install ca-certificates
}

need_go() {
	for go in .build/go/bin/go "$(command -v go || true)"; do
		if [ -n "$go" ] && [ -x "$go" ] && at_least "$(go_version "$go")" "$GO_LEAST"; then return; fi
	done
	# Any Go can fetch the toolchain as a module, checksums verified; Debian's will do.
	old=$(command -v go || true)
	if [ -z "$old" ]; then
		apt_install golang-go
		old=$(command -v go)
	fi
	case "$(uname -m)" in
	x86_64) arch=amd64 ;;
	aarch64) arch=arm64 ;;
	*) say "Install Go $GO_LEAST or newer by hand: https://go.dev/doc/install"; exit 1 ;;
	esac
	say "Fetching Go $GO_WANTED"
	work=$(mktemp -d)
	printf 'module bootstrap\n' >"$work/go.mod"
	dir=$(cd "$work" && "$old" mod download -json "golang.org/toolchain@v0.0.1-go$GO_WANTED.linux-$arch" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
	rm -rf "$work"
	if [ -z "$dir" ] || [ ! -e "$dir/bin/go" ]; then
		say "Go $GO_WANTED could not be fetched. Install it by hand (https://go.dev/doc/install) and run this again."
		exit 1
	fi
	mkdir -p .build
	rm -rf .build/go.new
	cp -r "$dir" .build/go.new
	chmod -R u+w .build/go.new
	chmod +x .build/go.new/bin/* .build/go.new/pkg/tool/*/*
	rm -rf .build/go
	mv .build/go.new .build/go
}

need_node() {
	for node in .build/node/bin/node "$(command -v node || true)"; do
		if [ -n "$node" ] && [ -x "$node" ] && command -v npm >/dev/null && at_least "$("$node" --version | sed 's/^v//')" "$NODE_LEAST"; then return; fi
	done
	command -v npm >/dev/null || apt_install nodejs npm
	if at_least "$(node --version | sed 's/^v//')" "$NODE_LEAST"; then return; fi
	say "Fetching Node $NODE_WANTED"
	mkdir -p .build/node/npm
	npm install --loglevel=error --no-audit --no-fund --prefix .build/node/npm "node@$NODE_WANTED"
	mkdir -p .build/node/bin
	ln -sf "$PWD/.build/node/npm/node_modules/node/bin/node" .build/node/bin/node
}

need_compiler
need_go
need_node
