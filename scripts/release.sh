#!/usr/bin/env bash
# Makes dist/millrace_VERSION_linux_ARCH.tar.gz and dist/SHA256SUMS from
# bin/millrace. The same binary gives the same bytes: names are sorted, files
# belong to nobody, and their time is that of the commit (SOURCE_DATE_EPOCH).
#
#   scripts/release.sh VERSION [BINARY]
set -euo pipefail
cd "$(dirname "$0")/.."

version=${1:?usage: scripts/release.sh VERSION [BINARY]}
binary=${2:-bin/millrace}
dist=${DIST:-dist}
export LC_ALL=C TZ=UTC

if [[ ! "$version" =~ ^[A-Za-z0-9._+-]+$ ]]; then
  echo "release: the version '$version' has characters that a file name should not have" >&2
  exit 1
fi
if [ ! -x "$binary" ]; then
  echo "release: there is no $binary: run make build first" >&2
  exit 1
fi
says=$("$binary" version)
case "$says" in
"millrace $version "*) ;;
*)
  echo "release: $binary says it is '$says', not version $version: build it with make release VERSION=$version" >&2
  exit 1
  ;;
esac
machine=$(od -An -j18 -N2 -tx1 "$binary" | tr -d ' \n') # e_machine of the ELF header
case "$machine" in
3e00) arch=amd64 ;;
b700) arch=arm64 ;;
*)
  echo "release: $binary is for a machine that is not known here (ELF machine $machine)" >&2
  exit 1
  ;;
esac

name="millrace_${version#v}_linux_$arch"
epoch=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || echo 0)}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
root="$work/$name"
mkdir -p "$root/completions" "$dist"

install -m 755 "$binary" "$root/millrace"
install -m 644 LICENSE NOTICE README.md CHANGELOG.md scripts/millrace.service "$root/"
"$binary" completion bash >"$root/completions/millrace.bash"
"$binary" completion zsh >"$root/completions/_millrace"
"$binary" completion fish >"$root/completions/millrace.fish"
find "$root" -type d -exec chmod 755 {} +
find "$root/completions" -type f -exec chmod 644 {} +

tar --sort=name --mtime="@$epoch" --owner=0 --group=0 --numeric-owner --format=gnu \
  -C "$work" -cf - "$name" | gzip -9n >"$dist/$name.tar.gz.new"
mv "$dist/$name.tar.gz.new" "$dist/$name.tar.gz"
(cd "$dist" && sha256sum millrace_*.tar.gz >SHA256SUMS.new && mv SHA256SUMS.new SHA256SUMS)
echo "$dist/$name.tar.gz"
