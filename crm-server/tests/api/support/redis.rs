//! A real Redis on a socket of its own, for as long as the value lives, to be taken away and
//! brought back.

use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Ends Redis with us, however we end.
const WATCH: &str =
    r#""$@" & redis=$!; echo "$redis"; read -r _; kill -CONT "$redis"; kill -KILL "$redis"; wait"#;

/// The program that `REDIS_SERVER` names, else the installed one; nothing is kept on disk.
#[derive(Debug)]
pub(crate) struct Redis {
    directory: tempfile::TempDir,
    running: Option<(Child, u32)>,
}

impl Redis {
    pub(crate) fn start() -> Self {
        let mut redis = Self { directory: tempfile::tempdir().unwrap(), running: None };
        redis.come_back();
        redis
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("redis.sock")
    }

    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Starts it where it was, with nothing in it.
    pub(crate) fn come_back(&mut self) {
        let program = std::env::var("REDIS_SERVER").unwrap_or_else(|_| "redis-server".to_owned());
        let mut watch = Command::new("sh")
            .args(["-c", WATCH, "redis", &program, "--port", "0", "--save", ""])
            .args(["--appendonly", "no", "--logfile", "log", "--unixsocket"])
            .arg(self.socket())
            .current_dir(self.directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut told = String::new();
        let stdout = watch.stdout.as_mut().unwrap();
        std::io::BufRead::read_line(&mut std::io::BufReader::new(stdout), &mut told).unwrap();
        self.running = Some((watch, told.trim().parse().unwrap()));
        for _ in 0..1_000 {
            if UnixStream::connect(self.socket()).is_ok() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let log = std::fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        panic!("{program} does not answer: install the package redis-server; its log: {log}");
    }

    /// Ends it at once.
    pub(crate) fn go(&mut self) {
        if let Some((mut watch, _)) = self.running.take() {
            drop(watch.stdin.take());
            watch.wait().unwrap();
        }
        // What a killed Redis leaves behind.
        let _ = std::fs::remove_file(self.socket());
    }

    /// Lets it take requests and answer none, or go on.
    pub(crate) fn hang(&self, hangs: bool) {
        let signal = if hangs { "-STOP" } else { "-CONT" };
        let (_, redis) = self.running.as_ref().unwrap();
        let done = Command::new("kill").args([signal, &redis.to_string()]).status().unwrap();
        assert!(done.success());
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.go();
    }
}
