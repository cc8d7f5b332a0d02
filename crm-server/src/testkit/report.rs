//! What a probe found, held against what is known.

use std::collections::BTreeSet;
use std::fmt;

/// An answer that is no refusal, or tells what it must not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The operation: `GET /customers/{id}`.
    pub operation: String,
    /// What was sent, and where: `body companyId`.
    pub place: String,
    /// What came, and what should have.
    pub told: String,
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}: {}", self.operation, self.place, self.told)
    }
}

/// A finding that is known, and why it is none to mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exception {
    /// The operation.
    pub operation: String,
    /// The beginning of the place.
    pub place: String,
    /// Why.
    pub reason: String,
}

impl Exception {
    /// Reads a list: a line each, `operation | place | reason`; `#` begins a remark.
    ///
    /// # Errors
    /// Names a line that is none.
    pub fn list(text: &str) -> Result<Vec<Self>, String> {
        let lines = text.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with('#'));
        lines
            .map(|line| {
                let parts: Vec<&str> = line.split('|').map(str::trim).collect();
                match &parts[..] {
                    [operation, place, reason] if !reason.is_empty() => Ok(Self {
                        operation: (*operation).to_owned(),
                        place: (*place).to_owned(),
                        reason: (*reason).to_owned(),
                    }),
                    _ => Err(format!("expected operation | place | reason, got {line:?}")),
                }
            })
            .collect()
    }

    fn covers(&self, finding: &Finding) -> bool {
        self.operation == finding.operation && finding.place.starts_with(&self.place)
    }
}

/// What a probe did and found.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// How many requests it made.
    pub asked: usize,
    /// The operations that it tried.
    pub operations: BTreeSet<String>,
    /// Identifiers that were there before either tenant, and are tried as nobody's.
    pub beside: BTreeSet<String>,
    /// What it found. What it could not try is a finding too.
    pub findings: Vec<Finding>,
}

impl Report {
    pub(super) fn add(
        &mut self,
        operation: impl Into<String>,
        place: impl Into<String>,
        told: impl Into<String>,
    ) {
        let (operation, place, told) = (operation.into(), place.into(), told.into());
        self.findings.push(Finding { operation, place, told });
    }

    /// Nothing, where everything that was found is excepted and every exception is still needed.
    ///
    /// # Errors
    /// Every finding that is not excepted, and every exception that has become needless: the list
    /// may only shrink.
    pub fn against(&self, exceptions: &[Exception]) -> Result<(), String> {
        let new = self.findings.iter().filter(|f| !exceptions.iter().any(|e| e.covers(f)));
        let stale = exceptions.iter().filter(|e| !self.findings.iter().any(|f| e.covers(f)));
        let new = new.map(ToString::to_string);
        let stale = stale.map(|e| {
            format!("{}: {}: this exception is needed no more; take it out", e.operation, e.place)
        });
        let all: Vec<String> = new.chain(stale).collect();
        if all.is_empty() { Ok(()) } else { Err(all.join("\n")) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_exception_covers_its_finding_and_is_told_when_it_covers_none() {
        let mut report = Report::default();
        report.add("GET /a", "query id", "shown");
        assert!(report.against(&[]).unwrap_err().contains("GET /a: query id: shown"));
        let known = Exception::list("# known\nGET /a | query | it is public\n").unwrap();
        assert_eq!(report.against(&known), Ok(()));
        let more = Exception::list("GET /a | query | public\nGET /b | path | gone").unwrap();
        assert!(report.against(&more).unwrap_err().starts_with("GET /b: path: this exception"));
        assert!(Exception::list("GET /a | query |").is_err());
    }
}
