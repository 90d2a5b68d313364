//! Where JMeter's samples are reported to, as the options say.

use anyhow::{Result, ensure};
use pouco_lab::cli;
use pouco_lab::drivers::jmeter::Told;

/// As InfluxDB's own programs read it.
const TOKEN: &str = "INFLUX_TOKEN";

/// All that can be wrong with it is found before anything is started.
pub(crate) fn told(options: &cli::Told) -> Result<Told> {
    let token = std::env::var(TOKEN).ok().filter(|token| !token.is_empty());
    Told::new(options.application.as_deref(), options.influx.as_deref(), token, options.jmeter_metrics)
}

/// Where there is no JMeter.
pub(crate) fn refuse_told(options: &cli::Told) -> Result<()> {
    let cli::Told { influx, application, jmeter_metrics } = options;
    let none = influx.is_none() && application.is_none() && jmeter_metrics.is_none();
    ensure!(none, "--influx, --application and --jmeter-metrics are for JMeter (--tool jmeter)");
    Ok(())
}
