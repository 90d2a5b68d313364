#!/usr/bin/env bash
# JMeter's plan for the Python back end alone, in the contest's budget: record, report and JMeter's own report
# in lab-results/. Whatever follows goes to `pouco-lab run`: --load steps, --times 3,
# --influx http://127.0.0.1:8086
set -euo pipefail
export LC_ALL=C
cd "$(dirname "$(readlink -f "$0")")/.."
# shellcheck source=scripts/stack.sh
source scripts/stack.sh

need_engine
need_free 9270
lab run inventory --tool jmeter --contestant fastapi --application python-backend \
  --jmeter-metrics 127.0.0.1:9270 "$@"
