//! From rows to customers.

use std::error::Error;
use std::io::{self, Read, Write};

use crm_core::customers::Customers;
use futures::{StreamExt, stream};

use crate::mapping::Columns;
use crate::rows::{Bad, Row, Rows};

/// How many rows are written at the same time.
const AT_ONCE: usize = 8;

/// What became of a file.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Loaded {
    pub(crate) customers: u64,
    pub(crate) skipped: u64,
}

/// Writes the rows, and tells of those that are skipped, in the order of the file.
///
/// # Errors
/// Where the file cannot be read or the store fails; what was written until then stays.
pub(crate) async fn load<R: Read>(
    rows: Rows<R>,
    columns: &Columns,
    customers: &Customers,
    out: &mut dyn Write,
) -> Result<Loaded, Box<dyn Error>> {
    let mut written =
        stream::iter(rows).map(|row| write(row, columns, customers)).buffered(AT_ONCE);
    let mut loaded = Loaded::default();
    while let Some(outcome) = written.next().await {
        match outcome? {
            Ok(()) => loaded.customers += 1,
            Err(Bad { line, reason }) => {
                loaded.skipped += 1;
                writeln!(out, "line {line}: {reason}")?;
            }
        }
    }
    Ok(loaded)
}

async fn write(
    row: io::Result<Result<Row, Bad>>,
    columns: &Columns,
    customers: &Customers,
) -> Result<Result<(), Bad>, Box<dyn Error>> {
    let Row { line, cells } = match row? {
        Ok(row) => row,
        Err(bad) => return Ok(Err(bad)),
    };
    let created = match columns.draft(&cells) {
        Ok(draft) => customers.create(draft).await.map(drop),
        Err(faults) => Err(faults),
    };
    match created {
        Ok(()) => Ok(Ok(())),
        // The row's own fault; anything else would meet the next row as well.
        Err(crm_core::Error::Invalid(faults)) => {
            let faults: Vec<String> = faults.iter().map(ToString::to_string).collect();
            Ok(Err(Bad { line, reason: faults.join("; ") }))
        }
        Err(error @ crm_core::Error::Conflict { .. }) => {
            Ok(Err(Bad { line, reason: error.to_string() }))
        }
        Err(error) => Err(error.into()),
    }
}
