//! A CSV file's rows, each with the line that it begins on, so that a person finds it.

use std::io::{self, Chain, Read};

use csv::{ByteRecord, Reader, ReaderBuilder, Terminator, Trim};

/// The rows of a file below its header.
pub(crate) struct Rows<R> {
    reader: Reader<Chain<R, &'static [u8]>>,
    header: Vec<String>,
}

/// The cells of a row.
#[derive(Debug, PartialEq)]
pub(crate) struct Row {
    pub(crate) line: u64,
    pub(crate) cells: Vec<String>,
}

/// A row that cannot be taken.
#[derive(Debug, PartialEq)]
pub(crate) struct Bad {
    pub(crate) line: u64,
    pub(crate) reason: String,
}

impl<R: Read> Rows<R> {
    /// # Errors
    /// Where the file cannot be read, or its header is not UTF-8 or not there.
    pub(crate) fn new(file: R, delimiter: u8) -> io::Result<Self> {
        let reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .has_headers(false)
            // Rows that are too short or too long are for us to tell of.
            .flexible(true)
            .trim(Trim::All)
            // A carriage return before it is whitespace, and trimmed with the last cell.
            .terminator(Terminator::Any(b'\n'))
            // So that the last line ends as every other does.
            .from_reader(file.chain(&b"\n"[..]));
        let mut rows = Self { reader, header: Vec::new() };
        let header = rows.read()?.ok_or_else(|| io::Error::other("the file is empty"))?;
        let header = header.map_err(|bad| {
            io::Error::other(format!("the header, line {}: {}", bad.line, bad.reason))
        })?;
        rows.header = header.cells;
        Ok(rows)
    }

    /// The names of the columns.
    pub(crate) fn header(&self) -> &[String] {
        &self.header
    }

    /// The next row that holds anything.
    fn read(&mut self) -> io::Result<Option<Result<Row, Bad>>> {
        let mut record = ByteRecord::new();
        loop {
            if !self.reader.read_byte_record(&mut record)? {
                return Ok(None);
            }
            if record.iter().any(|cell| !cell.is_empty()) {
                break;
            }
        }
        // The reader stands behind the row. Where it says that the row began, empty lines before
        // it would count as part of it.
        let inside = record.iter().flatten().filter(|byte| **byte == b'\n').count();
        let line = self.reader.position().line().saturating_sub(1 + inside as u64);
        Ok(Some(
            self.check(&record)
                .map(|cells| Row { line, cells })
                .map_err(|reason| Bad { line, reason }),
        ))
    }

    fn check(&self, record: &ByteRecord) -> Result<Vec<String>, String> {
        let expected = self.header.len();
        if expected > 0 && record.len() != expected {
            return Err(format!("expected {expected} cells, got {}", record.len()));
        }
        let cell = |(i, cell): (usize, &[u8])| {
            std::str::from_utf8(cell).map(str::to_owned).map_err(|error| {
                let byte = cell.get(error.valid_up_to()).copied().unwrap_or_default();
                let column = self
                    .header
                    .get(i)
                    .map_or_else(|| (i + 1).to_string(), |name| format!("{name:?}"));
                format!(
                    "column {column}: expected UTF-8, got byte 0x{byte:02X}; save the file as UTF-8"
                )
            })
        };
        record.iter().enumerate().map(cell).collect()
    }
}

impl<R: Read> Iterator for Rows<R> {
    type Item = io::Result<Result<Row, Bad>>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}
