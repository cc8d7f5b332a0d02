//! Lines that somebody would like to write into the log, through a real process and its real log.
//!
//! What came back: one line for each request, whatever it was called, and nothing that a terminal
//! would take for a command.

use hyper::Method;
use serde_json::{Value, json};

use crate::support::{Caller, Process, Settings};

/// Asks for all that ends up in the log.
async fn write_into_the_log(process: &Process) {
    let mut caller = Caller::new(process.address(), "");
    for text in
        ["%0AFORGED%20line", "%0D%0AFORGED", "%1B%5B2JFORGED", "%E2%80%A8FORGED", "%00FORGED"]
    {
        for path in [
            format!("/{text}"),
            format!("/api/v1/customers/{text}"),
            format!("/api/v1/customers?q={text}"),
        ] {
            caller.get(&path).await;
        }
    }
    for text in
        ["a\nFORGED", "a\r\nFORGED line", "\u{1b}[2JFORGED", "a\u{85}FORGED", "a\u{2028}FORGED"]
    {
        let login = json!({"email": text, "password": text});
        caller.send(Method::POST, "/api/v1/auth/login", Some(login)).await;
        let odd = json!({text: text});
        caller.send(Method::POST, "/api/v1/auth/login", Some(odd)).await;
        caller.send_along(vec![
            ("x-request-id", "FORGED line".to_owned()),
            ("user-agent", "FORGED\tline".to_owned()),
        ]);
    }
    caller.get("/api/v1/health/live").await;
}

async fn started(format: &str) -> Process {
    let settings = Settings::new("memory:", "memory:")
        .with("CRM_LOG_FORMAT", format)
        .with("CRM_LOG_LEVEL", "debug");
    Process::start(settings).await
}

#[tokio::test]
async fn nobody_writes_a_line_of_their_own_into_the_log() {
    for format in ["text", "json"] {
        let mut process = started(format).await;
        write_into_the_log(&process).await;
        process.terminate().await;
        let log = process.log();
        assert!(log.lines().count() > 20, "{log}");
        for line in log.split(['\n', '\r', '\u{85}', '\u{2028}']) {
            assert!(!line.trim_start().starts_with("FORGED"), "{format}: {line:?}");
            let odd = line.chars().find(|one| one.is_control() && *one != '\t');
            assert_eq!(odd, None, "{format}: {line:?}");
        }
        if format == "json" {
            for line in log.lines() {
                let read: Result<Value, _> = serde_json::from_str(line);
                assert!(read.is_ok_and(|read| read.is_object()), "{line}");
            }
        }
    }
}
