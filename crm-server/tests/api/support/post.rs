//! A mail server: takes mails by SMTP (RFC 5321), in plain, by TLS or after STARTTLS, and does
//! what a test asks of it. What it took is read by a parser of others.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use crm_server::config::{MailTls, Mailing, Span};
use mail_parser::{Message, MessageParser};
use parking_lot::Mutex;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::collector::{CERTIFICATE, KEY};

/// The user who may send.
pub(crate) const USER: &str = "crm";
/// That user's password.
pub(crate) const PASSWORD: &str = "correct horse";

/// What it does with a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Takes it.
    Takes,
    /// Answers a command, by its first word, so.
    Answers(&'static str, &'static str),
    /// Hangs up as soon as somebody calls.
    HangsUp,
    /// Says nothing.
    IsSilent,
}

/// A mail as it came.
#[derive(Debug, Clone)]
pub(crate) struct Letter {
    pub(crate) from: String,
    pub(crate) to: Vec<String>,
    pub(crate) was_encrypted: bool,
    raw: Vec<u8>,
}

impl Letter {
    pub(crate) fn parsed(&self) -> Message<'_> {
        MessageParser::default().parse(&self.raw).unwrap()
    }

    pub(crate) fn subject(&self) -> String {
        self.parsed().subject().unwrap().to_owned()
    }

    pub(crate) fn text(&self) -> String {
        self.parsed().body_text(0).unwrap().into_owned()
    }

    pub(crate) fn html(&self) -> String {
        self.parsed().body_html(0).unwrap().into_owned()
    }

    pub(crate) fn headers(&self) -> String {
        let text = String::from_utf8_lossy(&self.raw).into_owned();
        text.split_once("\r\n\r\n").unwrap().0.to_owned()
    }
}

#[derive(Debug)]
struct Seen {
    manner: Mutex<Manner>,
    letters: Mutex<Vec<Letter>>,
}

impl Seen {
    fn manner(&self) -> Manner {
        self.manner.lock().clone()
    }
}

/// One that listens until it is dropped.
#[derive(Debug)]
pub(crate) struct MailServer {
    address: SocketAddr,
    tls: MailTls,
    seen: Arc<Seen>,
    listening: tokio::task::JoinHandle<()>,
}

impl Drop for MailServer {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl MailServer {
    pub(crate) async fn start(tls: MailTls) -> Self {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = rustls::ServerConfig::builder_with_provider(provider);
        let config = config.with_safe_default_protocol_versions().unwrap().with_no_client_auth();
        let certificate = CertificateDer::from_pem_file(CERTIFICATE).unwrap();
        let key = PrivateKeyDer::from_pem_file(KEY).unwrap();
        let config = config.with_single_cert(vec![certificate], key).unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen { manner: Mutex::new(Manner::Takes), letters: Mutex::default() });
        let remembered = Arc::clone(&seen);
        let listening = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, seen) = (acceptor.clone(), Arc::clone(&remembered));
                // Whoever hangs up in the middle is no fault of the server's.
                tokio::spawn(async move { call(stream, tls, acceptor, &seen).await });
            }
        });
        Self { address, tls, seen, listening }
    }

    /// Settings that lead here.
    pub(crate) fn settings(&self) -> Mailing {
        Mailing {
            host: Some("localhost".to_owned()),
            port: Some(self.address.port()),
            tls: self.tls,
            ca_file: Some(CERTIFICATE.into()),
            user: Some(USER.to_owned()),
            password: Some(PASSWORD.into()),
            from: Some("The CRM <crm@example.com>".to_owned()),
            link_base: Some("https://crm.example.com/app".to_owned()),
            timeout: Span::seconds(60),
            ..Mailing::default()
        }
    }

    pub(crate) fn behaves(&self, manner: Manner) {
        *self.seen.manner.lock() = manner;
    }

    pub(crate) fn letters(&self) -> Vec<Letter> {
        self.seen.letters.lock().clone()
    }

    /// The letters that came to an address, once there are so many.
    pub(crate) async fn letters_to(&self, address: &str, count: usize) -> Vec<Letter> {
        let mut found = Vec::new();
        for _ in 0..1_200 {
            let to = |letter: &Letter| letter.to.iter().any(|to| to == address);
            found = self.letters().into_iter().filter(to).collect();
            if found.len() >= count {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("{} letters to {address}, expected {count}", found.len());
    }
}

async fn call(
    mut stream: TcpStream,
    tls: MailTls,
    acceptor: TlsAcceptor,
    seen: &Seen,
) -> std::io::Result<()> {
    match seen.manner() {
        Manner::HangsUp => return Ok(()),
        Manner::IsSilent => {
            std::future::pending::<()>().await;
            return Ok(());
        }
        _ => {}
    }
    if tls == MailTls::Implicit {
        let mut stream = acceptor.accept(stream).await?;
        stream.write_all(greeting(seen).as_bytes()).await?;
        return talk(stream, true, false, seen).await.map(drop);
    }
    stream.write_all(greeting(seen).as_bytes()).await?;
    let upgrades = tls == MailTls::Starttls;
    match talk(stream, false, upgrades, seen).await? {
        Some(stream) => {
            // Nobody is greeted again (RFC 3207, 4.2).
            let stream = acceptor.accept(stream).await?;
            talk(stream, true, false, seen).await.map(drop)
        }
        None => Ok(()),
    }
}

/// Talks until the caller goes, or asks for encryption: then the stream comes back.
async fn talk<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    is_encrypted: bool,
    upgrades: bool,
    seen: &Seen,
) -> std::io::Result<Option<S>> {
    let mut stream = BufReader::new(stream);
    stream.flush().await?;
    let (mut from, mut to) = (String::new(), Vec::new());
    let mut is_known = false;
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line).await? == 0 {
            return Ok(None);
        }
        let line = line.trim_end().to_owned();
        let command = line.split([' ', ':']).next().unwrap_or_default().to_ascii_uppercase();
        let refused = match seen.manner() {
            Manner::Answers(to, answer) if to == command => Some(answer.to_owned()),
            _ => None,
        };
        let answer = match command.as_str() {
            _ if refused.is_some() => refused.unwrap_or_default(),
            "EHLO" if upgrades => "250-here\r\n250-8BITMIME\r\n250 STARTTLS".to_owned(),
            "EHLO" => "250-here\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250 AUTH PLAIN".to_owned(),
            "STARTTLS" => {
                stream.write_all(b"220 go ahead\r\n").await?;
                stream.flush().await?;
                return Ok(Some(stream.into_inner()));
            }
            "AUTH" => {
                let right = STANDARD.encode(format!("\0{USER}\0{PASSWORD}"));
                is_known = line.rsplit(' ').next() == Some(&right);
                if is_known { "235 welcome" } else { "535 5.7.8 who are you?" }.to_owned()
            }
            "MAIL" | "RCPT" if !is_known => "530 5.7.0 sign in first".to_owned(),
            "MAIL" => {
                from = address(&line);
                to.clear();
                "250 yes".to_owned()
            }
            "RCPT" => {
                to.push(address(&line));
                "250 yes".to_owned()
            }
            "DATA" => {
                stream.write_all(b"354 go on\r\n").await?;
                let raw = data(&mut stream).await?;
                let (from, to) = (from.clone(), std::mem::take(&mut to));
                let letter = Letter { from, to, was_encrypted: is_encrypted, raw };
                seen.letters.lock().push(letter);
                "250 taken".to_owned()
            }
            "QUIT" => {
                stream.write_all(b"221 bye\r\n").await?;
                return Ok(None);
            }
            "NOOP" | "RSET" => "250 yes".to_owned(),
            _ => "500 what?".to_owned(),
        };
        stream.write_all(format!("{answer}\r\n").as_bytes()).await?;
        stream.flush().await?;
    }
}

fn greeting(seen: &Seen) -> String {
    match seen.manner() {
        Manner::Answers("", answer) => format!("{answer}\r\n"),
        _ => "220 here ESMTP\r\n".to_owned(),
    }
}

/// What stands between `<` and `>`.
fn address(line: &str) -> String {
    let rest = line.split_once('<').map_or("", |(_, rest)| rest);
    rest.split_once('>').map_or("", |(address, _)| address).to_owned()
}

/// The mail up to a line with a dot alone; of lines that begin with one, one is taken away.
async fn data<S: AsyncRead + Unpin>(stream: &mut BufReader<S>) -> std::io::Result<Vec<u8>> {
    let mut raw = Vec::new();
    loop {
        let mut line = Vec::new();
        if stream.read_until(b'\n', &mut line).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        match line.as_slice() {
            b".\r\n" => return Ok(raw),
            [b'.', rest @ ..] => raw.extend(rest),
            line => raw.extend(line),
        }
    }
}
