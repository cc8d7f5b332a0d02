//! A process that is measured.

use std::net::SocketAddr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use crm_benches::Result;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

use crate::client::{Connection, Request};

/// A server in a process of its own, which ends with the value.
#[derive(Debug)]
pub(crate) struct Subject {
    child: Child,
    pub(crate) address: SocketAddr,
}

impl Subject {
    /// Starts this program with these arguments; gives the time until the path is answered well.
    pub(crate) async fn start(arguments: &[&str], path: &str) -> Result<(Self, Duration)> {
        let begun = Instant::now();
        let mut child = Command::new(std::env::current_exe()?)
            .args(arguments)
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let stdout = child.stdout.take().ok_or("a child without output")?;
        let line = BufReader::new(stdout).lines().next_line().await?;
        let address = line.ok_or("the server ended before it listened")?.parse()?;
        let mut connection = Connection::open(address).await?;
        let request = Request::get(path, None);
        while connection.send(&request).await?.status != 200 {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        Ok((Self { child, address }, begun.elapsed()))
    }

    /// How much memory it has, in KiB (resident).
    pub(crate) fn memory(&self) -> Result<u64> {
        let id = self.child.id().ok_or("the server has ended")?;
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let number = line.and_then(|line| line.split_whitespace().next());
        Ok(number.ok_or("no memory is told of")?.parse()?)
    }
}
