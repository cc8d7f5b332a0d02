//! Workbooks of Office Open XML, one sheet each.
//!
//! A workbook is an archive whose directory stands at its end, so it is written to a file before
//! its first octet can be given: without a name, so that nothing is left of it whatever happens.
//! Rows are written as they come; memory holds some hundred of them.

use std::fs::File;
use std::io::{self, BufWriter, Read, Seek};

use chrono::Datelike;
use rust_decimal::prelude::ToPrimitive;
use rust_xlsxwriter::{Format, Workbook, Worksheet, XlsxError};
use tokio::sync::{Semaphore, mpsc};

use super::columns::{Cell, Column};
use super::csv::is_formula;

/// The most records that a sheet holds beside the line of names.
pub(super) const MAX_ROWS: u64 = 1_048_575;
/// The most characters of a cell. A longer text is cut, and says so.
const MAX_TEXT: usize = 32_767;
const CUT: &str = "… [cut]";
/// Whole numbers and digits that a cell, which holds a 64-bit float, keeps exactly.
const EXACT: u64 = 1 << 53;
const DIGITS: usize = 15;
/// How many workbooks are written at once, each in a thread of its own.
static WRITERS: Semaphore = Semaphore::const_new(2);

/// What the writer of a workbook is told.
enum Told {
    Rows(Vec<Vec<Cell>>),
    /// All rows were told. A writer that hears nothing more without this gives up.
    End,
}

/// A workbook in the making.
pub(super) struct Writer {
    rows: mpsc::Sender<Told>,
    task: tokio::task::JoinHandle<Result<File, XlsxError>>,
    _permit: tokio::sync::SemaphorePermit<'static>,
}

impl Writer {
    /// Begins a workbook, as soon as few enough others are being written.
    pub(super) async fn begin(title: String, columns: Vec<Column>) -> io::Result<Self> {
        let permit = WRITERS.acquire().await.map_err(io::Error::other)?;
        let (rows, told) = mpsc::channel(2);
        let task = tokio::task::spawn_blocking(move || write(&title, &columns, told));
        Ok(Self { rows, task, _permit: permit })
    }

    /// Adds rows.
    pub(super) async fn add(&self, rows: Vec<Vec<Cell>>) -> io::Result<()> {
        let told = self.rows.send(Told::Rows(rows)).await;
        told.map_err(|_| io::Error::other("the workbook cannot be written"))
    }

    /// The whole workbook, to be read from its beginning.
    pub(super) async fn finish(self) -> io::Result<File> {
        // Where nobody hears it, the task says why.
        let _ = self.rows.send(Told::End).await;
        self.task.await?.map_err(io::Error::other)
    }
}

/// The next octets of a file; none at its end.
pub(super) async fn read(mut file: File, most: usize) -> io::Result<Option<(Vec<u8>, File)>> {
    let reading = tokio::task::spawn_blocking(move || {
        let mut octets = Vec::with_capacity(most);
        file.by_ref().take(most as u64).read_to_end(&mut octets)?;
        io::Result::Ok((!octets.is_empty()).then_some((octets, file)))
    });
    reading.await?
}

struct Formats {
    head: Format,
    quoted: Format,
    date: Format,
    time: Format,
}

fn write(
    title: &str,
    columns: &[Column],
    mut told: mpsc::Receiver<Told>,
) -> Result<File, XlsxError> {
    let formats = Formats {
        head: Format::new().set_bold(),
        quoted: Format::new().set_quote_prefix(),
        date: Format::new().set_num_format("yyyy-mm-dd"),
        time: Format::new().set_num_format("yyyy-mm-dd hh:mm:ss"),
    };
    let mut workbook = Workbook::new();
    let sheet = workbook.add_worksheet_with_constant_memory()?;
    // Excel takes no longer names; ours have no characters that it refuses.
    sheet.set_name(title.chars().take(31).collect::<String>())?;
    sheet.set_freeze_panes(1, 0)?;
    for (column, name) in (0..).zip(columns) {
        sheet.set_column_width(column, 18)?;
        sheet.write_string_with_format(0, column, &name.name, &formats.head)?;
    }
    let mut row = 1;
    loop {
        match told.blocking_recv() {
            Some(Told::Rows(rows)) => {
                for cells in rows {
                    for (column, cell) in (0..).zip(cells) {
                        put(sheet, row, column, cell, &formats)?;
                    }
                    row += 1;
                }
            }
            Some(Told::End) => break,
            None => return Err(XlsxError::IoError(io::Error::other("nobody waits for it"))),
        }
    }
    let mut file = tempfile::tempfile()?;
    workbook.save_to_writer(BufWriter::new(&file))?;
    file.rewind()?;
    Ok(file)
}

fn put(
    sheet: &mut Worksheet,
    row: u32,
    column: u16,
    cell: Cell,
    formats: &Formats,
) -> Result<(), XlsxError> {
    let text = match cell {
        Cell::Empty => return Ok(()),
        Cell::Bool(bool) => return sheet.write_boolean(row, column, bool).map(|_| ()),
        Cell::Text(text) => text,
        Cell::Int(int) => match int.to_f64().filter(|_| int.unsigned_abs() <= EXACT) {
            Some(number) => return sheet.write_number(row, column, number).map(|_| ()),
            None => int.to_string(),
        },
        Cell::Decimal(decimal) => {
            let digits = decimal.mantissa().unsigned_abs().to_string().len();
            match decimal.to_f64().filter(|_| digits <= DIGITS) {
                Some(number) => return sheet.write_number(row, column, number).map(|_| ()),
                None => decimal.to_string(),
            }
        }
        // Days before 1900 are none to Excel.
        Cell::Date(date) if date.year() < 1900 => date.to_string(),
        Cell::Time(time) if time.year() < 1900 => time.to_rfc3339(),
        Cell::Date(date) => {
            return sheet.write_date_with_format(row, column, date, &formats.date).map(|_| ());
        }
        Cell::Time(time) => {
            let naive = time.naive_utc();
            let written = sheet.write_datetime_with_format(row, column, naive, &formats.time);
            return written.map(|_| ());
        }
    };
    put_text(sheet, row, column, text, formats)
}

/// A text is a text, whatever it begins with. The mark beside it keeps it one when somebody edits
/// the cell.
fn put_text(
    sheet: &mut Worksheet,
    row: u32,
    column: u16,
    mut text: String,
    formats: &Formats,
) -> Result<(), XlsxError> {
    // Excel counts UTF-16; so many characters are never too many.
    if text.encode_utf16().count() > MAX_TEXT {
        let mut left = MAX_TEXT - CUT.encode_utf16().count();
        let fits = |character: &char| match left.checked_sub(character.len_utf16()) {
            Some(less) => {
                left = less;
                true
            }
            None => false,
        };
        text = text.chars().take_while(fits).chain(CUT.chars()).collect();
    }
    if is_formula(&text) {
        sheet.write_string_with_format(row, column, text, &formats.quoted)?;
    } else {
        sheet.write_string(row, column, text)?;
    }
    Ok(())
}
