#!/bin/sh
# The built wheel alone, in an empty environment: base, then with everything, run from another folder.
set -eu
dist=$(cd "$1" && pwd)
constraints=$(cd "$(dirname "$0")/.." && pwd)/constraints.txt
wheel=$(ls -t "$dist"/e2ecall-*.whl | head -n 1)
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
cd "$place"
"${PYTHON:-python3}" -m venv env
env/bin/python -m pip install --quiet -c "$constraints" "$wheel"
env/bin/python - <<'PY'
import e2ecall
from importlib.resources import files
assert (files("e2ecall") / "_data/spec/protocol.md").is_file(), "spec/ is missing in the wheel"
assert (files("e2ecall") / "_data/vectors").is_dir(), "vectors/ is missing in the wheel"
assert (files("e2ecall") / "py.typed").is_file(), "py.typed is missing in the wheel"
from e2ecall.secret import SecretBytes
from e2ecall.sframe import DEFAULT_SUITE, Receiver, Sender
key = SecretBytes(bytes(32))
receiver = Receiver(DEFAULT_SUITE)
receiver.add_key(1, key)
assert receiver.unprotect(Sender(DEFAULT_SUITE, 1, key).protect(b"frame"))[0] == b"frame"
PY
if env/bin/e2ecall --version 2>err; then echo "the base install has no command line" >&2; exit 1; fi
grep -q "pip install 'e2ecall\[all\]'" err
env/bin/python -m pip install --quiet -c "$constraints" "$wheel[all]"
env/bin/e2ecall --version
echo '{"id": 1, "op": "hello"}' | env/bin/e2ecall conformance peer | grep -q '"name":"e2ecall"'
env/bin/e2ecall demo --duration 2 --size 160x120 --out result
test -s result/report.html
echo "the wheel works"
