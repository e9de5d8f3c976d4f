#!/bin/sh
# Makes .venv with the first Python on PATH that is new enough.
set -eu

for python in python3 python3.14 python3.13 python3.12 python3.11; do
    # Asked by running it: a name on PATH may lead to an older version, or to a stub that leads nowhere.
    if "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        if "$python" -m venv --clear .venv >/dev/null 2>&1; then
            exit 0
        fi
        rm -rf .venv # half made: it would pass for a whole one next time
        echo "$("$python" --version) cannot make a virtual environment; on Debian or Ubuntu, install python3-venv." >&2
        exit 1
    fi
done
echo "No Python 3.11 or newer is on PATH; install one, then repeat the command." >&2
exit 1
