//! Mails leave by SMTP, to a mail server that answers in every way that one does.

use crm_core::access::BuiltIn;
use crm_core::ports::{Mail, MailError, Mailer};
use crm_server::config::{MailTls, Span};
use crm_server::mail::Smtp;
use serde_json::json;
use uuid::Uuid;

use crate::support::{Backend, MailServer, Manner, TestServer};

fn mail() -> Mail {
    Mail {
        id: Uuid::from_u128(7),
        to: "bob@example.com".to_owned(),
        subject: "Grüße, Bob".to_owned(),
        text: "Two lines.\n.\n.and dots\n".to_owned(),
        html: Some("<p>Two lines.</p>".to_owned()),
    }
}

#[tokio::test]
async fn a_mail_arrives_as_it_was_written_however_the_way_is_kept_from_others() {
    for tls in [MailTls::None, MailTls::Starttls, MailTls::Implicit] {
        let post = MailServer::start(tls).await;
        let smtp = Smtp::new(&post.settings()).unwrap().unwrap();
        smtp.send(mail()).await.unwrap();
        let letter = post.letters().remove(0);
        assert_eq!(letter.was_encrypted, tls != MailTls::None, "{tls:?}");
        assert_eq!(
            (letter.from.as_str(), letter.to.as_slice()),
            ("crm@example.com", &["bob@example.com".to_owned()][..])
        );
        assert_eq!(letter.subject(), "Grüße, Bob");
        assert_eq!(letter.text().replace("\r\n", "\n").trim(), mail().text.trim());
        assert!(letter.html().contains("<p>Two lines.</p>"));
        let parsed = letter.parsed();
        assert_eq!(parsed.from().unwrap().first().unwrap().name(), Some("The CRM"));
        assert_eq!(
            parsed.message_id(),
            Some(format!("{}@example.com", Uuid::from_u128(7)).as_str())
        );
        assert!(letter.headers().contains("Auto-Submitted: auto-generated"), "RFC 3834");
    }
}

#[tokio::test]
async fn what_may_be_better_later_is_told_from_what_never_will() {
    let post = MailServer::start(MailTls::None).await;
    let smtp = Smtp::new(&post.settings()).unwrap().unwrap();
    for (command, answer) in [
        ("RCPT", "451 4.7.1 greylisted"),
        ("MAIL", "452 4.3.1 no room"),
        ("DATA", "421 4.3.2 going down"),
    ] {
        post.behaves(Manner::Answers(command, answer));
        let error = smtp.send(mail()).await.unwrap_err();
        assert!(matches!(error, MailError::Temporary(_)), "{command} {answer}: {error}");
    }
    for (command, answer) in [
        ("RCPT", "550 5.1.1 no such user"),
        ("RCPT", "553 5.1.3 no such name"),
        ("DATA", "554 5.7.1 spam"),
    ] {
        post.behaves(Manner::Answers(command, answer));
        let error = smtp.send(mail()).await.unwrap_err();
        assert!(matches!(error, MailError::Permanent(_)), "{command} {answer}: {error}");
    }
    let nobody = Mail { to: "nobody".to_owned(), ..mail() };
    assert!(matches!(smtp.send(nobody).await.unwrap_err(), MailError::Permanent(_)));
    post.behaves(Manner::Takes);
    smtp.send(mail()).await.unwrap();
    assert_eq!(post.letters().len(), 1);
}

#[tokio::test]
async fn a_mail_server_that_takes_nothing_at_all_loses_no_mail() {
    let post = MailServer::start(MailTls::None).await;
    for manner in [
        Manner::HangsUp,
        Manner::Answers("", "554 5.3.2 no service here"),
        Manner::Answers("EHLO", "550 5.7.1 not you"),
        Manner::Answers("AUTH", "535 5.7.8 who are you?"),
    ] {
        post.behaves(manner.clone());
        let smtp = Smtp::new(&post.settings()).unwrap().unwrap();
        let error = smtp.send(mail()).await.unwrap_err();
        assert!(matches!(error, MailError::Temporary(_)), "{manner:?}: {error}");
        assert!(smtp.test().await.is_err());
    }
    post.behaves(Manner::IsSilent);
    let mut settings = post.settings();
    settings.timeout = "50ms".parse::<Span>().unwrap();
    let smtp = Smtp::new(&settings).unwrap().unwrap();
    let error = smtp.send(mail()).await.unwrap_err();
    assert!(matches!(error, MailError::Temporary(_)), "{error}");
    let settings = post.settings();
    drop(post);
    let smtp = Smtp::new(&settings).unwrap().unwrap();
    let error = smtp.send(mail()).await.unwrap_err();
    assert!(matches!(error, MailError::Temporary(_)), "{error}");
}

#[tokio::test]
async fn nothing_is_told_to_a_mail_server_that_cannot_prove_who_it_is() {
    for tls in [MailTls::Implicit, MailTls::Starttls] {
        let post = MailServer::start(tls).await;
        let mut settings = post.settings();
        settings.ca_file = None;
        let smtp = Smtp::new(&settings).unwrap().unwrap();
        assert!(matches!(smtp.send(mail()).await.unwrap_err(), MailError::Temporary(_)));
        assert!(post.letters().is_empty());
    }
    // One that offers no encryption is told nothing either.
    let post = MailServer::start(MailTls::None).await;
    let mut settings = post.settings();
    settings.tls = MailTls::Starttls;
    let smtp = Smtp::new(&settings).unwrap().unwrap();
    smtp.send(mail()).await.unwrap_err();
    assert!(post.letters().is_empty());
}

#[tokio::test]
async fn a_server_with_a_mail_server_writes_to_people_and_tries_again() {
    for backend in [Backend::Memory, Backend::Postgres] {
        let post = MailServer::start(MailTls::Starttls).await;
        let settings = post.settings();
        let server = TestServer::configured_on(backend, |config| config.mail = settings).await;
        let owner = server.owner("acme").await;
        // In a name there is whatever people write into one.
        let name = "<b>Ada</b> & \"Co\"";
        let herself = format!("/api/v1/users/{}", owner.user);
        owner.patch(&herself, json!({"name": name})).await.is(200);
        post.behaves(Manner::Answers("RCPT", "451 4.7.1 greylisted"));
        let bob = json!({"email": "bob@example.com", "password": "correct horse battery"});
        server.anonymous().post("/api/v1/auth/signup", bob).await.is(201);
        let members = format!("/api/v1/tenants/{}/members", owner.tenant);
        let asked = json!({"email": "bob@example.com", "roles": ["user"]});
        owner.post(&members, asked).await.is(201);
        assert!(post.letters_to("bob@example.com", 0).await.is_empty());
        post.behaves(Manner::Takes);
        server.clock().advance(chrono::TimeDelta::days(1));
        // One asks him to verify his address, one to join.
        let letters = post.letters_to("bob@example.com", 2).await;
        let letter = letters.iter().find(|letter| letter.subject().contains("acme")).unwrap();
        assert!(letter.text().contains(name), "{}", letter.text());
        let html = letter.html();
        assert!(html.contains("&lt;b&gt;Ada") && !html.contains("<b>Ada"), "{html}");
        assert!(letter.text().contains("https://crm.example.com/app"));
        assert_eq!(server.anonymous().get("/health/ready").await.data()["missing"], json!([]));
        server.stop().await;
    }
}

#[tokio::test]
async fn a_server_without_a_mail_server_says_so() {
    let server = TestServer::start(Backend::Memory).await;
    let ready = server.anonymous().get("/health/ready").await;
    assert_eq!(ready.is(200)["data"]["missing"], json!(["mail"]));
    let owner = server.owner("acme").await;
    server.colleague(&owner, BuiltIn::User).await;
    server.stop().await;
}
