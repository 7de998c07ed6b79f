# Read by the scripts, not run: how they call the program.
#
# Settings from the environment:
#   PYTHON          interpreter with sushi_lg (the checkout's .venv after `make install`)

set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
PYTHON=${PYTHON:-$root/.venv/bin/python}

sushi_lg() {
    "$PYTHON" -m sushi_lg "$@"
}
