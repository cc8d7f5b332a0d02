//! What the parser keeps to itself of how a request is framed: that it names both its length and a
//! transfer coding. The parser goes by the coding and drops the length; whatever stands in front
//! may have gone by the length, and would take the rest of one request for the next one
//! (RFC 9112, 6.1). So it is looked for in the octets themselves, and never decided here.

/// A head, as far as it has come.
#[derive(Debug, Default)]
pub(super) struct Framing {
    /// The line that is coming, as far as its name can be long.
    line: Vec<u8>,
    length: bool,
    coding: bool,
    /// Whether there was a line with something in it.
    begun: bool,
    ended: bool,
}

/// As long as the longest name that is looked for, and its colon.
const NAME: usize = b"transfer-encoding:".len();

impl Framing {
    /// Octets of a head came, and perhaps of what follows it.
    pub(super) fn came(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if self.ended {
                return;
            }
            match byte {
                b'\n' => {
                    // Lines before the request line may be empty (RFC 9112, 2.2).
                    self.ended = self.line.is_empty() && self.begun;
                    self.begun |= !self.line.is_empty();
                    self.line.clear();
                }
                b'\r' => {}
                byte if self.line.len() < NAME => {
                    self.line.push(byte.to_ascii_lowercase());
                    if *byte == b':' {
                        self.length |= self.line == b"content-length:";
                        self.coding |= self.line == b"transfer-encoding:";
                    }
                }
                _ => {}
            }
        }
    }

    /// Whether the head names both.
    pub(super) fn is_contradictory(&self) -> bool {
        self.length && self.coding
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contradicts(head: &str) -> bool {
        // In one part, and an octet at a time.
        let mut whole = Framing::default();
        whole.came(head.as_bytes());
        let mut parts = Framing::default();
        head.as_bytes().iter().for_each(|byte| parts.came(&[*byte]));
        assert_eq!(whole.is_contradictory(), parts.is_contradictory(), "{head:?}");
        whole.is_contradictory()
    }

    #[test]
    fn both_in_one_head_contradict_each_other_in_whatever_order_and_case() {
        let post = "POST / HTTP/1.1\r\nhost: x\r\n";
        assert!(contradicts(&format!(
            "{post}Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n"
        )));
        assert!(contradicts(&format!("\r\n{post}TRANSFER-ENCODING:a\ncontent-length:3\n\n")));
        assert!(!contradicts(&format!("{post}content-length: 3\r\n\r\n")));
        assert!(!contradicts(&format!("{post}transfer-encoding: chunked\r\n\r\n")));
    }

    #[test]
    fn what_only_looks_like_it_does_not() {
        let post = "POST /content-length: HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n";
        assert!(!contradicts(&format!("{post}\r\n")));
        assert!(!contradicts(&format!("{post}x-content-length: 3\r\n\r\n")));
        assert!(!contradicts(&format!("{post}x: content-length: 3\r\n\r\n")));
        assert!(!contradicts(&format!("{post}\r\n3\r\nabc\r\ncontent-length: 3\r\n\r\n")));
    }
}
