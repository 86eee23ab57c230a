#!/usr/bin/env bash
# The golden digests on a plain x86-64 without any newer instruction: the same bytes on every processor.
. "$(dirname "$0")/lib.sh"

need qemu-x86_64 "the golden digests on a plain x86-64" || exit 0
count=0
# The newest test programs, as cargo names them; --no-run builds nothing that the tests did not.
while read -r program; do
  listed=$("$program" --list 2>/dev/null | grep -c 'golden.*: test$' || true)
  ((listed)) || continue
  say "qemu64: $listed golden tests of $(basename "$program")"
  qemu-x86_64 -cpu qemu64 "$program" golden --test-threads=1
  count=$((count + listed))
done < <(cargo test --locked --no-run --message-format=json 2>/dev/null | sed -n 's/.*"executable":"\([^"]*\)".*/\1/p')
((count)) || fail "no golden test was found"
