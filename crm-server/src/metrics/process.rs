//! What the operating system says about this process. Where it says nothing, nothing is told.

/// What the process uses.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Usage {
    /// Bytes of memory in use.
    pub(super) resident: Option<u64>,
    /// Files and sockets that are open.
    pub(super) open_files: Option<u64>,
    /// How many there may be.
    pub(super) most_files: Option<u64>,
    /// Threads.
    pub(super) threads: Option<u64>,
}

impl Usage {
    /// Now.
    #[cfg(target_os = "linux")]
    pub(super) fn now() -> Self {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
        let files = std::fs::read_dir("/proc/self/fd").map(Iterator::count);
        Self {
            resident: field(&status, "VmRSS:").map(|kib| kib * 1_024),
            // The directory itself is open meanwhile.
            open_files: files.ok().and_then(|n| u64::try_from(n).ok()).map(|n| n.saturating_sub(1)),
            most_files: field(&limits, "Max open files"),
            threads: field(&status, "Threads:"),
        }
    }

    /// Nothing is known here.
    #[cfg(not(target_os = "linux"))]
    pub(super) fn now() -> Self {
        Self::default()
    }
}

#[cfg(target_os = "linux")]
fn field(text: &str, name: &str) -> Option<u64> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_process_knows_what_it_uses() {
        let usage = Usage::now();
        assert!(usage.resident.unwrap() > 1 << 20, "{usage:?}");
        assert!(usage.threads.unwrap() >= 1 && usage.open_files.unwrap() >= 1, "{usage:?}");
    }
}
