//! What this process costs, as Linux counts it.

use super::ProcessStats;

/// Linux reports CPU time in these ticks to every program, whatever the kernel's own clock (`USER_HZ`, proc(5)).
const TICKS_PER_SECOND: f64 = 100.0;

/// CPU time and resident memory of this process; zeros where `/proc` is not there.
pub(super) fn measure() -> ProcessStats {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    ProcessStats {
        cpu_s: cpu_seconds(&stat).unwrap_or(0.0),
        rss_bytes: resident_bytes(&status).unwrap_or(0),
    }
}

/// utime and stime: fields 14 and 15 (proc(5)), counted behind the program's name, which may contain spaces.
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, fields) = stat.rsplit_once(')')?;
    let mut fields = fields.split_whitespace().skip(11);
    let user: f64 = fields.next()?.parse().ok()?;
    let system: f64 = fields.next()?.parse().ok()?;
    Some((user + system) / TICKS_PER_SECOND)
}

fn resident_bytes(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_does_not_shift_the_fields() {
        let stat = "7 (a b) c) S 1 2 3 4 5 6 7 8 9 10 150 50 0 0";
        assert_eq!(cpu_seconds(stat), Some(2.0));
    }

    #[test]
    fn this_process_has_a_size() {
        assert!(measure().rss_bytes > 1 << 20);
        assert_eq!(resident_bytes("Name: x\nVmRSS:\t  12 kB\n"), Some(12 << 10));
    }
}
