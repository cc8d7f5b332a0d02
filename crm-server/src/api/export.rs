//! `GET /<resource>/export`: everything that a list's filter finds, as a file.
//!
//! A file is given as it is made, a part at a time, so that its size is nobody's concern. The
//! first part is read before the answer begins: what can go wrong with a request goes wrong with
//! a status. What goes wrong later cuts the connection, so that no half file looks like a whole
//! one.

mod columns;
mod csv;
mod xlsx;

use std::fs::File;
use std::io;
use std::sync::Arc;

use crm_core::custom_fields::definitions;
use crm_core::language::{ParameterDescription, describe};
use crm_core::records::Export;
use crm_core::store::Kind;
use crm_core::{Entity, Error};
use futures::stream;
use poem::http::{StatusCode, header};
use poem::{Body, IntoResponse, Request, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{
    MetaHeader, MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
};
use poem_openapi::types::Type;
use serde_json::{Map, Value, json};
use tokio::sync::OwnedSemaphorePermit;

use self::columns::{Cell, Column, all, chosen, named, narrowed};
use super::caller::Caller;
use super::crud::{self, Resource, Service, parameters};
use super::error::ApiError;

/// What of a list means nothing to an export, which is all of it.
const OF_PARTS: &[&str] = &["page", "limit", "page_size", "pageSize", "cursor", "count", "expand"];
/// How many octets of a file are read at once.
const PIECE: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Json,
    Xlsx,
}

const FORMATS: &[&str] = &["csv", "json", "xlsx"];
const CSV: &str = "text/csv; charset=utf-8";
const JSON: &str = "application/json; charset=utf-8";
const XLSX: &str = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet";

impl Format {
    fn of(text: &str) -> Result<Self, ApiError> {
        match text.trim() {
            "csv" => Ok(Self::Csv),
            "json" => Ok(Self::Json),
            "xlsx" => Ok(Self::Xlsx),
            other => {
                let message = format!("expected one of {}, got {other:?}", FORMATS.join(", "));
                Err(ApiError::unreadable("format", "INVALID_VALUE", message))
            }
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::Csv => CSV,
            Self::Json => JSON,
            Self::Xlsx => XLSX,
        }
    }

    fn code(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Xlsx => "xlsx",
        }
    }
}

/// A file in the making.
#[derive(Debug)]
pub struct Exported(Response);

impl IntoResponse for Exported {
    fn into_response(self) -> Response {
        self.0
    }
}

impl ApiResponse for Exported {
    fn meta() -> MetaResponses {
        let file = |content_type| MetaMediaType {
            content_type,
            schema: MetaSchemaRef::Inline(Box::new(MetaSchema {
                format: Some("binary"),
                ..MetaSchema::new("string")
            })),
        };
        let record = MetaSchema {
            description: Some(
                "A record as the list shows it, or those of its fields that were asked for.",
            ),
            ..MetaSchema::new("object")
        };
        let items = MetaSchema {
            items: Some(Box::new(MetaSchemaRef::Inline(Box::new(record)))),
            ..MetaSchema::new("array")
        };
        let json =
            MetaMediaType { content_type: JSON, schema: MetaSchemaRef::Inline(Box::new(items)) };
        let disposition = MetaHeader {
            name: "Content-Disposition".to_owned(),
            description: Some("`attachment`, with a name for the file".to_owned()),
            required: true,
            deprecated: false,
            schema: String::schema_ref(),
        };
        let response = MetaResponse {
            description: "The file. A connection that ends early means that it is not whole",
            status: Some(200),
            status_range: None,
            content: vec![file("text/csv"), json, file(XLSX)],
            headers: vec![disposition],
        };
        MetaResponses { responses: vec![response] }
    }

    fn register(_: &mut Registry) {}
}

/// The parameters of a resource's export, for the document.
pub fn described<R: Resource>() -> (String, Vec<ParameterDescription>) {
    let mut parameters = vec![
        ParameterDescription {
            name: "format".to_owned(),
            kind: Kind::Code,
            multiple: false,
            suffixes: Vec::new(),
            choices: Some(FORMATS),
            one_of: Vec::new(),
            description: "What kind of file: `csv` (RFC 4180, in UTF-8; texts that a spreadsheet \
                          would run as a formula begin with an apostrophe), `json` (an array of \
                          records) or `xlsx`. `csv` unless given."
                .to_owned(),
            example: "csv".to_owned(),
        },
        ParameterDescription {
            name: "bom".to_owned(),
            kind: Kind::Bool,
            multiple: false,
            suffixes: Vec::new(),
            choices: None,
            one_of: Vec::new(),
            description:
                "Whether `csv` begins with a byte order mark, by which Excel knows UTF-8. \
                          Not unless given."
                    .to_owned(),
            example: "true".to_owned(),
        },
        ParameterDescription {
            name: "fields".to_owned(),
            kind: Kind::Text,
            multiple: true,
            suffixes: Vec::new(),
            choices: None,
            one_of: named::<R::View>(R::Entity::schema()),
            description: "The fields that are wanted, in this order; all unless given. A \
                          tenant's own are `customFields.key`."
                .to_owned(),
            example: "id".to_owned(),
        },
    ];
    let listed = describe(R::Entity::schema()).into_iter();
    parameters.extend(listed.filter(|parameter| !OF_PARTS.contains(&&*parameter.name)));
    (format!("{}/export", R::PATH), parameters)
}

/// What is asked for beside the records.
struct Wanted {
    format: Format,
    bom: bool,
    /// The fields, separated by commas.
    fields: String,
}

impl Wanted {
    const NAMES: &'static [&'static str] = &["format", "bom", "fields"];

    fn of(parameters: &[(String, String)]) -> Result<Self, ApiError> {
        let given = |wanted: &str| -> Vec<&str> {
            let of = parameters.iter().filter(|(name, _)| name == wanted);
            of.map(|(_, value)| value.as_str()).collect()
        };
        let once = |name: &str| match given(name).as_slice() {
            [] => Ok(None),
            [text] => Ok(Some(text.trim().to_owned())),
            _ => {
                let message = format!("{name} is given more than once");
                Err(ApiError::unreadable(name, "DUPLICATE_PARAMETER", message))
            }
        };
        let format = once("format")?.map_or(Ok(Format::Csv), |text| Format::of(&text))?;
        let bom = match once("bom")?.as_deref() {
            None | Some("false" | "0") => false,
            Some("true" | "1") => true,
            Some(other) => {
                let message = format!("expected true or false, got {other:?}");
                return Err(ApiError::unreadable("bom", "INVALID_VALUE", message));
            }
        };
        if bom && format != Format::Csv {
            let message = "only csv can have a byte order mark";
            return Err(ApiError::unreadable("bom", "CONTRADICTION", message));
        }
        Ok(Self { format, bom, fields: given("fields").join(",") })
    }
}

/// The file that a request asks for.
///
/// # Errors
/// 400 naming the parameter that cannot be understood; 403; 422 where a sheet cannot hold so many
/// records; 503 where enough exports are being made already.
pub async fn export<R: Resource>(caller: Caller, request: &Request) -> Result<Exported, ApiError> {
    let parameters = parameters(request)?;
    if let Some((name, _)) = parameters.iter().find(|(name, _)| OF_PARTS.contains(&&**name)) {
        let message = "an export is all of a list: it has no parts";
        return Err(ApiError::unreadable(name, "CONTRADICTION", message));
    }
    let Wanted { format, bom, fields } = Wanted::of(&parameters)?;
    let asked = crud::asked::<R>(&caller, &parameters, Wanted::NAMES).await?;
    let schema = R::Entity::schema();
    let custom = match schema.custom() {
        Some(_) => definitions(caller.crm(), schema.name()).await?,
        None => Vec::new(),
    };
    let mut all = all::<R::View>(schema, &custom);
    let absent = caller.crm().always_absent(schema);
    all.retain(|column| !absent.contains(column.field()));
    let columns = chosen(&all, &fields, R::ON_DEMAND)?;
    let wanted = expansions::<R>(&all, &columns);
    let room = caller.room_for_export()?;

    let query = asked.into_query(Arc::clone(schema))?;
    let mut told: Map<String, Value> = Map::new();
    told.insert("format".to_owned(), json!(format.code()));
    let mut given: Map<String, Value> = Map::new();
    for (name, value) in parameters.iter().filter(|(name, _)| name != "format") {
        match given.get_mut(name) {
            Some(Value::String(before)) => *before = format!("{before},{value}"),
            _ => drop(given.insert(name.clone(), json!(value))),
        }
    }
    if !given.is_empty() {
        told.insert("parameters".to_owned(), Value::Object(given));
    }
    let most = (format == Format::Xlsx).then_some(xlsx::MAX_ROWS);
    let export = R::service(caller.crm()).export(query, most, told).await?;
    let last = R::PATH.rsplit('/').next().unwrap_or("export").to_owned();
    let day = caller.crm().crm().clock().now().format("%Y-%m-%d");
    let name = format!("{last}-{day}.{}", format.code());
    let narrow = !fields.trim().is_empty();
    let mut making =
        Making::<R> { caller, parameters, export, columns, wanted, narrow, given: 0, room };
    let first = making.part().await?;
    let body = match format {
        Format::Xlsx => workbook(making, first, last),
        _ => text(making, first, format, bom),
    };
    let response = Response::builder()
        .status(StatusCode::OK)
        .content_type(format.content_type())
        .header(header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\""))
        .body(body);
    Ok(Exported(response))
}

/// What is embedded: what stands in the columns. What is called as no field of a view, such as the
/// names of things in several of them, is embedded as in a list.
fn expansions<R: Resource>(all: &[Column], columns: &[Column]) -> Vec<String> {
    let within = |columns: &[Column], name: &str| columns.iter().any(|c| c.field() == name);
    let wanted = R::EXPANSIONS.iter().filter(|name| {
        within(columns, name) || (!within(all, name) && !R::ON_DEMAND.contains(name))
    });
    wanted.map(|name| (*name).to_owned()).collect()
}

/// What a file is made from.
struct Making<R: Resource> {
    caller: Caller,
    parameters: Vec<(String, String)>,
    export: Export<R::Entity>,
    columns: Vec<Column>,
    wanted: Vec<String>,
    /// Whether some fields were chosen.
    narrow: bool,
    /// How many records were given.
    given: u64,
    room: OwnedSemaphorePermit,
}

impl<R: Resource> Making<R> {
    /// The next records as they are shown; none behind the last.
    async fn part(&mut self) -> Result<Option<Vec<Map<String, Value>>>, Error> {
        let Some(entities) = self.export.part().await? else { return Ok(None) };
        self.given += entities.len() as u64;
        let mut views = crud::shown::<R>(self.caller.crm(), entities, &self.wanted).await?;
        R::seen(self.caller.crm(), &self.parameters, &mut views).map_err(Error::internal)?;
        let shown = |view: &R::View| match serde_json::to_value(view) {
            Ok(Value::Object(record)) => Ok(record),
            Ok(_) => Err(Error::internal("a record is shown as something else than an object")),
            Err(error) => Err(Error::internal(error)),
        };
        views.iter().map(shown).collect::<Result<_, _>>().map(Some)
    }

    fn cells(&self, records: &[Map<String, Value>]) -> Vec<Vec<Cell>> {
        let row = |record| self.columns.iter().map(|column| column.cell(record)).collect();
        records.iter().map(row).collect()
    }

    fn csv(&self, records: &[Map<String, Value>]) -> io::Result<Vec<u8>> {
        csv::rows(&self.cells(records))
    }

    fn json(&self, records: Vec<Map<String, Value>>, first: bool) -> io::Result<Vec<u8>> {
        let mut octets = Vec::new();
        for (i, record) in records.into_iter().enumerate() {
            octets.extend_from_slice(if first && i == 0 { b"\n" } else { b",\n" });
            let record = if self.narrow { narrowed(record, &self.columns) } else { record };
            serde_json::to_writer(&mut octets, &record)?;
        }
        Ok(octets)
    }

    /// What went wrong while the file was given is logged; with it the body ends, and so does the
    /// connection.
    fn cut(&self, error: impl std::fmt::Display) -> io::Error {
        tracing::error!(%error, given = self.given, of = self.export.count(), "an export was cut");
        io::Error::other("the export was cut")
    }
}

/// Where the making of a file in text is.
enum Step {
    Head,
    Part,
    Done,
}

fn text<R: Resource>(
    making: Making<R>,
    first: Option<Vec<Map<String, Value>>>,
    format: Format,
    bom: bool,
) -> Body {
    let begun = (making, first, Step::Head, true);
    Body::from_bytes_stream(stream::unfold(begun, move |state| async move {
        let (mut making, mut ahead, step, mut unbroken) = state;
        let (octets, step) = match step {
            Step::Done => return None,
            Step::Head => match format {
                Format::Csv => (csv::head(&making.columns, bom), Step::Part),
                _ => (Ok(b"[".to_vec()), Step::Part),
            },
            Step::Part => {
                let part = match ahead.take() {
                    Some(part) => Ok(Some(part)),
                    None => making.part().await,
                };
                match (part, format) {
                    (Err(error), _) => (Err(io::Error::other(error)), Step::Done),
                    (Ok(None), Format::Csv) => return None,
                    (Ok(None), _) => (Ok(b"\n]\n".to_vec()), Step::Done),
                    (Ok(Some(records)), Format::Csv) => (making.csv(&records), Step::Part),
                    (Ok(Some(records)), _) => {
                        let none = records.is_empty();
                        let octets = making.json(records, unbroken);
                        unbroken &= none;
                        (octets, Step::Part)
                    }
                }
            }
        };
        let (octets, step) = match octets {
            Ok(octets) => (Ok(octets), step),
            Err(error) => (Err(making.cut(error)), Step::Done),
        };
        Some((octets, (making, ahead, step, unbroken)))
    }))
}

/// Where the making of a workbook is.
enum Book<R: Resource> {
    Writing(Box<Making<R>>, Option<Vec<Map<String, Value>>>, String),
    Reading(File, OwnedSemaphorePermit),
    Done,
}

fn workbook<R: Resource>(
    making: Making<R>,
    first: Option<Vec<Map<String, Value>>>,
    title: String,
) -> Body {
    let begun = Book::Writing(Box::new(making), first, title);
    Body::from_bytes_stream(stream::unfold(begun, |book| async move {
        let (file, room) = match book {
            Book::Done => return None,
            Book::Reading(file, room) => (file, room),
            Book::Writing(mut making, first, title) => {
                match written(&mut making, first, title).await {
                    Ok(file) => (file, making.room),
                    Err(error) => return Some((Err(making.cut(error)), Book::Done)),
                }
            }
        };
        match xlsx::read(file, PIECE).await {
            Ok(None) => None,
            Ok(Some((octets, file))) => Some((Ok(octets), Book::Reading(file, room))),
            Err(error) => {
                tracing::error!(%error, "an export was cut");
                Some((Err(error), Book::Done))
            }
        }
    }))
}

async fn written<R: Resource>(
    making: &mut Making<R>,
    first: Option<Vec<Map<String, Value>>>,
    title: String,
) -> io::Result<File> {
    let writer = xlsx::Writer::begin(title, making.columns.clone()).await?;
    let mut part = first;
    while let Some(records) = part {
        writer.add(making.cells(&records)).await?;
        if making.given > xlsx::MAX_ROWS {
            return Err(io::Error::other("more records came to be than a sheet holds"));
        }
        part = making.part().await.map_err(io::Error::other)?;
    }
    writer.finish().await
}
