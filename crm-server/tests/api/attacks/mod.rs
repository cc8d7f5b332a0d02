//! What somebody who means harm would try, one file for each kind of attack, with what came back.
//!
//! Attacks that other suites prove harmless are not tried again here: `docs/security.md` names,
//! for each kind, the file that does.

mod credential_stuffing;
mod csrf;
mod enumeration;
mod escalation;
mod injection;
mod mass_assignment;
mod races;
mod session_fixation;
mod stored_xss;
mod token_substitution;

use crate::support::MailServer;

/// The token of the first link of a kind, by words of its subject, to an address.
async fn link(post: &MailServer, address: &str, kind: &str) -> String {
    for wanted in 1.. {
        for letter in post.letters_to(address, wanted).await {
            if letter.subject().contains(kind) {
                let text = letter.text();
                let found = text.lines().find_map(|line| line.split_once("?token="));
                return found.unwrap().1.trim().to_owned();
            }
        }
    }
    unreachable!("letters_to gives up")
}
