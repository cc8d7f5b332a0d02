//! `crm-server doctor` as an operator runs it: the real binary, on a real database.

use std::process::{Command, Output};

use crm_server::config::Algorithm;
use crm_server::tokens::generate_key;
use crm_store_postgres::testing::TestDatabase;
use serde_json::Value;

fn doctor(database: &str, arguments: &[&str]) -> Output {
    let key = generate_key(Algorithm::EdDsa).unwrap();
    Command::new(env!("CARGO_BIN_EXE_crm-server"))
        .args(["--token-algorithm", "EdDSA", "--token-key", key.reveal()])
        .args(["--mfa-key", "what second factors are sealed under"])
        .args(["--database-url", database])
        .args(["--database-acquire-timeout", "1s", "doctor"])
        .args(arguments)
        .current_dir(std::env::temp_dir())
        .output()
        .unwrap()
}

fn failed(report: &Value) -> Vec<&str> {
    let checks = report["checks"].as_array().unwrap().iter();
    let failed = checks.filter(|check| check["outcome"] == "failed");
    failed.map(|check| check["name"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_sound_installation_passes_and_a_broken_one_is_named() {
    let database = TestDatabase::migrated().await.unwrap();
    let url = database.app_url();
    let sound = doctor(&url, &["--format", "json"]);
    let report: Value = serde_json::from_slice(&sound.stdout).unwrap();
    assert!(sound.status.success(), "{report:#}");
    assert_eq!(failed(&report), [""; 0], "{report:#}");

    database.execute("ALTER TABLE customers NO FORCE ROW LEVEL SECURITY").await.unwrap();
    let broken = doctor(&url, &["--format", "json"]);
    assert_eq!(broken.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&broken.stdout).unwrap();
    assert_eq!(failed(&report), ["row-security"], "{report:#}");
    let complaint = String::from_utf8_lossy(&broken.stderr).into_owned();
    assert!(complaint.contains("1 of 30 checks failed"), "{complaint}");

    let people = doctor(&url, &[]);
    let text = String::from_utf8_lossy(&people.stdout).into_owned();
    assert!(text.contains("✗ customers: row security is not forced"), "{text}");
    assert!(!text.contains("crm_test@"), "no URL is told: {text}");
}

#[tokio::test]
async fn a_database_that_was_never_migrated_is_told_so() {
    let database = TestDatabase::empty().await.unwrap();
    let output = doctor(&database.app_url(), &["--format", "json"]);
    assert_eq!(output.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(failed(&report).contains(&"migrations"), "{report:#}");
    assert!(report.to_string().contains("customers: the table is missing"), "{report:#}");
}

#[test]
fn what_cannot_be_read_or_reached_is_a_failed_check_and_not_a_crash() {
    let away = doctor("postgres://crm:long-and-unguessable@127.0.0.1:1/crm", &["--format", "json"]);
    assert_eq!(away.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&away.stdout).unwrap();
    assert_eq!(failed(&report), ["database"]);
    let unreadable = doctor("memory:", &["--format", "json", "--page", "100000"]);
    assert_eq!(unreadable.status.code(), Some(1));
    let report: Value = serde_json::from_slice(&unreadable.stdout).unwrap();
    assert_eq!(failed(&report), ["configuration"]);
}
