//! Comma-separated values (RFC 4180), for programs and for people who open them in a spreadsheet.
//!
//! UTF-8, with a byte order mark where one is asked for, without which Excel takes it for another
//! encoding. A text that a spreadsheet would run as a formula is preceded by an apostrophe (OWASP,
//! CSV injection).

use std::io;

use chrono::SecondsFormat;
use csv::{Terminator, WriterBuilder};

use super::columns::{Cell, Column};

const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();

/// What makes a spreadsheet take a text for a formula when it comes first; the last four are the
/// same in full width.
const FORMULA: &[char] =
    &['=', '+', '-', '@', '\t', '\r', '\n', '\u{ff1d}', '\u{ff0b}', '\u{ff0d}', '\u{ff20}'];

/// Whether a spreadsheet would run a text.
pub(super) fn is_formula(text: &str) -> bool {
    text.starts_with(FORMULA)
}

/// The line of the columns' names.
pub(super) fn head(columns: &[Column], marked: bool) -> io::Result<Vec<u8>> {
    let names = lines([columns.iter().map(|column| column.name.clone())])?;
    Ok(if marked { [BYTE_ORDER_MARK, &names].concat() } else { names })
}

/// The lines of some records.
pub(super) fn rows(rows: &[Vec<Cell>]) -> io::Result<Vec<u8>> {
    lines(rows.iter().map(|row| row.iter().map(text)))
}

fn lines(rows: impl IntoIterator<Item = impl Iterator<Item = String>>) -> io::Result<Vec<u8>> {
    let mut writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer(Vec::new());
    for row in rows {
        writer.write_record(row)?;
    }
    writer.into_inner().map_err(|error| io::Error::other(error.to_string()))
}

fn text(cell: &Cell) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) if is_formula(text) => format!("'{text}"),
        Cell::Text(text) => text.clone(),
        Cell::Bool(bool) => bool.to_string(),
        // Numbers stay numbers, also those below zero.
        Cell::Int(int) => int.to_string(),
        Cell::Decimal(decimal) => decimal.to_string(),
        Cell::Date(date) => date.to_string(),
        Cell::Time(time) => time.to_rfc3339_opts(SecondsFormat::AutoSi, true),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(cells: &[Cell]) -> String {
        String::from_utf8(rows(&[cells.to_vec()]).unwrap()).unwrap()
    }

    fn shown(text: &str) -> Cell {
        Cell::Text(text.to_owned())
    }

    #[test]
    fn what_a_spreadsheet_would_run_is_text_and_numbers_are_numbers() {
        for formula in ["=1+1", "+49 30 1", "-2", "@SUM(A1)", "\t=1", "\r=1", "\u{ff1d}1"] {
            let line = line(&[shown(formula), Cell::Empty]);
            assert!(line.trim_start_matches('"').starts_with('\''), "{line:?}");
        }
        let numbers = [Cell::Int(-2), Cell::Decimal("-0.50".parse().unwrap()), shown("1-2")];
        assert_eq!(line(&numbers), "-2,-0.50,1-2\r\n");
    }

    #[test]
    fn separators_quotes_and_line_breaks_stay_in_their_cell() {
        let cells = [shown("a,b"), shown("say \"hi\""), shown("x\r\ny"), Cell::Empty];
        assert_eq!(line(&cells), "\"a,b\",\"say \"\"hi\"\"\",\"x\r\ny\",\r\n");
    }
}
