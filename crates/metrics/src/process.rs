//! What Linux says of this process, by the names that Prometheus' own clients use.

use std::fmt;
use std::fs;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;

/// Clock ticks a second in `/proc`: the same on all of Linux's architectures that we run on.
const TICKS: f64 = 100.0;

/// Reads `/proc` at each scrape. What cannot be read is left out.
#[derive(Debug)]
pub(crate) struct Process;

impl Collector for Process {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.trim()
                .trim_end_matches(" kB")
                .parse::<f64>()
                .ok()
                .map(|kib| kib * 1024.0)
        };
        let threads = status.lines().find_map(|line| line.strip_prefix("Threads:"));
        let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let max_fds = limits
            .lines()
            .find_map(|line| line.strip_prefix("Max open files"));
        let max_fds = max_fds.and_then(|rest| rest.split_whitespace().next()?.parse().ok());
        let fds = fs::read_dir("/proc/self/fd").map(|fds| fds.count() as f64).ok();
        let (cpu, started) = times().unzip();
        let gauges = [
            ("process_resident_memory_bytes", "Memory in use", kib("VmRSS:")),
            ("process_virtual_memory_bytes", "Memory reserved", kib("VmSize:")),
            ("process_open_fds", "Open file descriptors", fds),
            ("process_max_fds", "Most file descriptors", max_fds),
            (
                "process_threads",
                "Threads",
                threads.and_then(|count| count.trim().parse().ok()),
            ),
            ("process_start_time_seconds", "When the process started", started),
        ];
        for (name, help, value) in gauges {
            let Some(value) = value else { continue };
            let gauge = ConstGauge::<f64>::new(value);
            let metric = encoder.encode_descriptor(name, help, None, gauge.metric_type())?;
            gauge.encode(metric)?;
        }
        if let Some(cpu) = cpu {
            let counter = ConstCounter::<f64>::new(cpu);
            let metric = encoder.encode_descriptor(
                "process_cpu_seconds",
                "Processor time in user and system mode",
                None,
                counter.metric_type(),
            )?;
            counter.encode(metric)?;
        }
        Ok(())
    }
}

/// Processor time so far and the time of the start, both in seconds.
fn times() -> Option<(f64, f64)> {
    let stat = fs::read_to_string("/proc/self/stat").ok()?;
    // The name of the program may hold spaces; what follows it does not.
    let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks = |index: usize| fields.get(index)?.parse::<f64>().ok();
    let boot = fs::read_to_string("/proc/stat").ok()?;
    let boot = boot.lines().find_map(|line| line.strip_prefix("btime "))?;
    let cpu = (ticks(11)? + ticks(12)?) / TICKS;
    Some((cpu, boot.trim().parse::<f64>().ok()? + ticks(19)? / TICKS))
}
