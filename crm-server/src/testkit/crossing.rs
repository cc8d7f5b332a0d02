//! Calls every operation as one who may not, and holds each answer against what it must be.

use serde_json::Value;

use super::document::Document;
use super::forged::BadToken;
use super::furnish::{Furnished, Given, Source, Tenants, seen};
use super::report::Report;
use super::run::Run;
use super::server::Server;

/// What the other tenant's texts begin with, and no answer may contain.
pub(super) const THEIRS: &str = "Harbour";
/// As long and in nobody's texts; next to it in every order, so that what compares finds the same.
pub(super) const NOWHERE: &str = "Harbous";
pub(super) const OURS: &str = "Lighthouse";

/// The probe: one tenant's owner against another tenant.
#[expect(missing_debug_implementations, reason = "a server and tenants are anything")]
pub struct Crossing<'a> {
    server: &'a dyn Server,
    document: &'a Document,
    tenants: &'a dyn Tenants,
    given: Given,
    pub(super) bad_tokens: Vec<BadToken>,
}

impl<'a> Crossing<'a> {
    /// Of a server, by its document.
    pub fn new(server: &'a dyn Server, document: &'a Document, tenants: &'a dyn Tenants) -> Self {
        Self { server, document, tenants, given: Given::new(), bad_tokens: Vec::new() }
    }

    /// Says what goes into fields of an operation's body, or into parts of its path and query,
    /// where its schema does not tell: `"POST /relations"`,
    /// `{"kind": "employs", "from": {"type": "companies", "id": "{companies}"}}`.
    ///
    /// `{n}` in a text is a number that was never there before, `{companies}` the identifier of a
    /// record that the tenant has, `{new companies}` that of one that is made for this request,
    /// and `{stranger}` the address of [somebody without a tenant](Tenants::stranger). A record
    /// of a variety, `{new custom-fields choice}`, has the fields besides that are given for it
    /// under `POST /custom-fields choice`.
    #[must_use]
    pub fn given(mut self, operation: &str, fields: Value) -> Self {
        self.given.insert(operation.to_owned(), fields.as_object().cloned().unwrap_or_default());
        self
    }

    /// The same for several operations.
    #[must_use]
    pub fn given_all(mut self, given: &Given) -> Self {
        self.given.extend(given.clone());
        self
    }

    /// Tries these tokens with every operation, beside none at all.
    #[must_use]
    pub fn bad_tokens(mut self, tokens: Vec<BadToken>) -> Self {
        self.bad_tokens.extend(tokens);
        self
    }

    pub(super) fn source(&self) -> Source<'_> {
        let Self { server, document, tenants, given, .. } = self;
        Source { server: *server, document, tenants: *tenants, given }
    }

    /// Makes two tenants, and tries everything.
    pub async fn run(self) -> Report {
        let mut report = Report::default();
        let source = self.source();
        // What somebody sees before there is another tenant is that one's as little.
        let beside = seen(source, &self.tenants.tenant("earlier").await).await;
        let theirs = self.tenants.tenant("harbour").await;
        let mut theirs = Furnished::new(source, theirs, THEIRS, &beside).await;
        theirs.delete_some().await;
        let ours = self.tenants.tenant("lighthouse").await;
        let ours = Furnished::new(source, ours, OURS, &beside).await;
        for (operation, refusal) in theirs.refused.iter().chain(&ours.refused) {
            report.add(operation, "furnish", format!("makes no record: {refusal}"));
        }
        report.beside = beside;
        let mut run = Run::new(&self, theirs, ours, report);
        let before = run.digest().await;
        for operation in self.document.operations().iter().filter(|o| o.guarded) {
            run.begin(operation).await;
            run.our_own(operation).await;
            run.without_rights(operation).await;
            run.in_their_tenant(operation).await;
            run.by_key(operation).await;
            run.their_records(operation).await;
            run.their_words_in_parameters(operation).await;
            run.end().await;
        }
        // Behind the rest: what is taken makes their words ours.
        run.words_are_ours = true;
        for operation in self.document.operations().iter().filter(|o| o.guarded) {
            run.begin(operation).await;
            run.their_words_in_bodies(operation).await;
            run.end().await;
        }
        for (name, after) in run.digest().await {
            let then = before.get(&name).map_or(&[][..], Vec::as_slice);
            if then != after {
                let was = then.iter().find(|was| !after.contains(was));
                let is = after.iter().find(|is| !then.contains(is));
                let told = "the other tenant's data are not what they were";
                run.report.add(&name, "afterwards", format!("{told}: {was:?} became {is:?}"));
            }
        }
        run.report
    }
}
