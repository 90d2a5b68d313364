#!/bin/sh
# The plan with a listener that writes to InfluxDB, then JMeter; last, how many of how many requests failed.
set -eu
cd /tmp
# Into the list below the test plan, which ends two lines before the file does.
head -n -2 /etc/pouco-jmeter/plan.jmx >plan.jmx
cat /etc/pouco-jmeter/listener.xml >>plan.jmx
tail -n 2 /etc/pouco-jmeter/plan.jmx >>plan.jmx

java -Xmx1g -Djava.awt.headless=true -Djava.util.prefs.userRoot=/tmp -jar "$JMETER_HOME/bin/ApacheJMeter.jar" \
  -n -t plan.jmx -l result.jtl -j jmeter.log \
  -Jhost="$HOST" -Jport="$PORT" -Jthreads="$THREADS" -Jramp="$RAMP" -Jloops="$LOOPS" \
  -Jemail="$EMAIL" -Jpassword="$PASSWORD" -Jinfluxdb="$INFLUXDB_PASSWORD" \
  -Jjmeter.save.saveservice.output_format=csv -Jjmeterengine.nongui.port=0

# The column `success` by its name; no other one before it may have a comma in it.
awk -F, '
  NR == 1 { for (i = 1; i <= NF; i++) if ($i == "success") column = i; next }
  { all++; if ($column != "true") failed++ }
  END { printf "jmeter: %d requests, %d failed\n", all, failed; exit !(all > 0 && failed == 0) }' result.jtl
