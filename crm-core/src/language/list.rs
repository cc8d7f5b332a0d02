//! Everything that a request for a list says: which records, in which order, which part.

use std::borrow::Cow;
use std::sync::Arc;

use super::parameters::{Parameters, split_values};
use super::values::shown;
use super::{Context, Custom, MAX_LENGTH, MAX_PARAMETERS, checked, parse_expression};
use crate::error::{Error, Result};
use crate::store::{Cursor, Deleted, Filter, MAX_SORTS, Query, Schema, Sort, Window};

/// How many records a part of a list has unless `limit` says otherwise.
pub const DEFAULT_LIMIT: u32 = 20;
/// The most records that a part of a list has.
pub const MAX_LIST_LIMIT: u32 = 200;

/// The highest number of a page: the largest whole number that all readers of JSON agree on
/// (RFC 8259, 6).
pub const MAX_PAGE: u64 = (1 << 53) - 1;

/// The parameters of every list that are no fields.
pub(super) const CONTROLS: &[&str] = &[
    "page",
    "limit",
    "page_size",
    "cursor",
    "count",
    "sort",
    "order",
    "ordering",
    "search",
    "filter",
    "includeDeleted",
    "expand",
];

/// Those of them that take several values, separated by commas or one in each parameter.
const SEVERAL: &[&str] = &["sort", "ordering", "expand"];

/// What a request for a list says.
#[derive(Debug, Clone, PartialEq)]
pub struct ListRequest {
    /// Which records: fields, `filter` and `search` together, checked.
    pub filter: Filter,
    /// The words of `search` as they came, for ordering by how well a record matches.
    pub search: Option<String>,
    /// In which order; empty where nothing was asked for.
    pub sort: Vec<Sort>,
    /// Which part.
    pub window: Window,
    /// Whether the number of all that match is wanted: by default with pages, not with cursors.
    pub count: bool,
    /// Live records, or deleted ones too.
    pub deleted: Deleted,
    /// What to embed; none where the list's own choice stands.
    pub expand: Option<Vec<String>>,
}

impl ListRequest {
    /// The number of the page, from 1; none for a walk by cursor.
    pub fn page(&self) -> Option<u64> {
        match self.window {
            Window::Page { offset, limit } => Some(offset / u64::from(limit.max(1)) + 1),
            Window::Cursor { .. } => None,
        }
    }

    /// The question in the language of the store. Reach is added where it is scoped, not here.
    ///
    /// # Errors
    /// Where the cursor is of another order.
    pub fn into_query(self, schema: Arc<Schema>) -> Result<Query> {
        let query = Query::new(schema)
            .filter(self.filter)?
            .sort(self.sort)?
            .window(self.window)?
            .deleted(self.deleted);
        Ok(if self.count { query.counted() } else { query })
    }
}

/// Reads the decoded parameters of a request for a list. `reserved` are those that the caller
/// reads itself and that are passed over here.
///
/// ```
/// use crm_core::language::{NoCustom, parse_list};
/// use crm_core::store::{Field, Kind, Owners, Schema, Scoping};
///
/// let schema = Schema::builder("deals", Scoping::Tenant, Owners::Everybody)
///     .field(Field::new("status", Kind::Code).filterable().choices(&["open", "won"][..]))
///     .build()?;
/// let parameters = [("status", "open"), ("sort", "-createdAt"), ("limit", "50")];
/// let parameters = parameters.map(|(name, value)| (name.to_owned(), value.to_owned()));
/// let request = parse_list(&schema, &NoCustom, &parameters, &[])?;
/// assert_eq!(request.window.limit(), 50);
/// assert!(request.sort[0].descending);
/// # Ok::<(), crm_core::Error>(())
/// ```
///
/// # Errors
/// [`Error::Unreadable`] naming the first parameter that is unknown or cannot be understood.
pub fn parse_list(
    schema: &Schema,
    custom: &dyn Custom,
    params: &[(String, String)],
    reserved: &[&str],
) -> Result<ListRequest> {
    let context = Context { schema, custom };
    let others: Vec<&str> = CONTROLS.iter().chain(reserved).copied().collect();
    let mut controls = Controls::default();
    let mut fields = Parameters::new(context);
    let params: Vec<_> =
        params.iter().filter(|(name, _)| !reserved.contains(&name.as_str())).collect();
    if params.len() > MAX_PARAMETERS {
        let message = format!("expected at most {MAX_PARAMETERS} parameters");
        return Err(Error::unreadable("", "TOO_MANY_PARAMETERS", message));
    }
    for (name, value) in params {
        if value.len() > MAX_LENGTH || name.len() > 256 {
            let message = format!("expected at most {MAX_LENGTH} octets");
            let name: String = name.chars().take(64).collect();
            return Err(Error::unreadable(name, "TOO_LONG", message));
        }
        match controls.slot(name) {
            Some(slot @ None) => *slot = Some(Cow::Borrowed(value)),
            // What names several things may do so in several parameters.
            Some(Some(known)) if SEVERAL.contains(&name.as_str()) => {
                if !known.trim().is_empty() && !value.trim().is_empty() {
                    known.to_mut().push(',');
                }
                known.to_mut().push_str(value.trim());
            }
            Some(Some(_)) => {
                let message = format!("{name} is given more than once");
                return Err(Error::unreadable(name.clone(), "DUPLICATE_PARAMETER", message));
            }
            None => fields.read(name, value, &others)?,
        }
    }
    controls.read(context, fields.filter()?)
}

#[derive(Default)]
struct Controls<'a> {
    page: Option<Cow<'a, str>>,
    limit: Option<Cow<'a, str>>,
    page_size: Option<Cow<'a, str>>,
    cursor: Option<Cow<'a, str>>,
    count: Option<Cow<'a, str>>,
    sort: Option<Cow<'a, str>>,
    order: Option<Cow<'a, str>>,
    ordering: Option<Cow<'a, str>>,
    search: Option<Cow<'a, str>>,
    filter: Option<Cow<'a, str>>,
    include_deleted: Option<Cow<'a, str>>,
    expand: Option<Cow<'a, str>>,
}

impl<'a> Controls<'a> {
    fn slot(&mut self, name: &str) -> Option<&mut Option<Cow<'a, str>>> {
        Some(match name {
            "page" => &mut self.page,
            "limit" => &mut self.limit,
            "page_size" | "pageSize" => &mut self.page_size,
            "cursor" => &mut self.cursor,
            "count" => &mut self.count,
            "sort" => &mut self.sort,
            "order" => &mut self.order,
            "ordering" => &mut self.ordering,
            "search" => &mut self.search,
            "filter" => &mut self.filter,
            "includeDeleted" | "include_deleted" => &mut self.include_deleted,
            "expand" => &mut self.expand,
            _ => return None,
        })
    }

    fn read(self, context: Context<'_>, fields: Filter) -> Result<ListRequest> {
        let mut filter = fields;
        if let Some(text) = &self.filter {
            filter = filter.and(parse_expression(context.schema, context.custom, text)?);
        }
        let search = self.search.as_deref().map(str::trim).filter(|words| !words.is_empty());
        if let Some(words) = search {
            filter = filter.and(Filter::search(words));
        }
        let window = self.window()?;
        Ok(ListRequest {
            filter: checked(filter, context.schema, "filter")?,
            search: search.map(str::to_owned),
            sort: self.sorts(context)?,
            count: self.count(&window)?,
            window,
            deleted: self.deleted()?,
            expand: self.expand.as_deref().map(expansions).transpose()?,
        })
    }

    fn window(&self) -> Result<Window> {
        let limit = match (self.limit.as_deref(), self.page_size.as_deref()) {
            (Some(_), Some(_)) => return Err(both("limit", "page_size")),
            (Some(text), None) => number("limit", text)?,
            (None, Some(text)) => number("page_size", text)?,
            (None, None) => u64::from(DEFAULT_LIMIT),
        };
        let limit = u32::try_from(limit).ok().filter(|limit| (1..=MAX_LIST_LIMIT).contains(limit));
        let limit = limit.ok_or_else(|| {
            let name = if self.limit.is_some() { "limit" } else { "page_size" };
            let message = format!("expected a number from 1 to {MAX_LIST_LIMIT}");
            Error::unreadable(name, "OUT_OF_RANGE", message)
        })?;
        match (self.cursor.as_deref().map(str::trim), self.page.as_deref()) {
            (Some(_), Some(_)) => Err(both("cursor", "page")),
            (Some(""), None) => Ok(Window::Cursor { after: None, limit }),
            (Some(cursor), None) => {
                Ok(Window::Cursor { after: Some(Cursor::decode(cursor)?), limit })
            }
            (None, page) => {
                let page = page.map_or(Ok(1), |text| number("page", text))?;
                let page = (1..=MAX_PAGE).contains(&page).then_some(page);
                let before = page.and_then(|page| (page - 1).checked_mul(limit.into()));
                let offset = before.filter(|offset| i64::try_from(*offset).is_ok());
                let offset = offset.ok_or_else(|| {
                    let message = format!("expected a page number from 1 to {MAX_PAGE}");
                    Error::unreadable("page", "OUT_OF_RANGE", message)
                })?;
                Ok(Window::Page { offset, limit })
            }
        }
    }

    fn count(&self, window: &Window) -> Result<bool> {
        match self.count.as_deref().map(str::trim) {
            None => Ok(matches!(window, Window::Page { .. })),
            Some("exact") => Ok(true),
            Some("none") => Ok(false),
            Some(other) => {
                let message = format!("expected exact or none, got {}", shown(other));
                Err(Error::unreadable("count", "INVALID_VALUE", message))
            }
        }
    }

    fn deleted(&self) -> Result<Deleted> {
        let Some(text) = self.include_deleted.as_deref() else { return Ok(Deleted::Exclude) };
        match text.trim() {
            "true" => Ok(Deleted::Include),
            "false" => Ok(Deleted::Exclude),
            "only" => Ok(Deleted::Only),
            other => {
                let message = format!("expected true, false or only, got {}", shown(other));
                Err(Error::unreadable("includeDeleted", "INVALID_VALUE", message))
            }
        }
    }

    fn sorts(&self, context: Context<'_>) -> Result<Vec<Sort>> {
        let text = match (self.sort.as_deref(), self.ordering.as_deref()) {
            (Some(_), Some(_)) => return Err(both("sort", "ordering")),
            (one, other) => one.or(other).unwrap_or_default(),
        };
        let descending =
            match self.order.as_deref().map(|order| order.trim().to_ascii_lowercase()).as_deref() {
                None | Some("asc") => false,
                Some("desc") => true,
                Some(other) => {
                    let message = format!("expected asc or desc, got {}", shown(other));
                    return Err(Error::unreadable("order", "INVALID_VALUE", message));
                }
            };
        if self.order.is_some() && text.trim().is_empty() {
            let message = "order needs a field to sort by: sort=createdAt&order=desc";
            return Err(Error::unreadable("order", "INVALID_VALUE", message));
        }
        let mut sorts: Vec<Sort> = Vec::new();
        for key in text.split(',').map(str::trim).filter(|key| !key.is_empty()) {
            // A plus arrives as a space, which is gone by now, or encoded.
            let (name, descending) = match key.strip_prefix('-') {
                Some(name) => (name, true),
                None => (key.strip_prefix('+').unwrap_or(key), descending),
            };
            let path = context.sortable(name.trim())?;
            if !sorts.iter().any(|sort| sort.path == path) {
                sorts.push(Sort { path, descending });
            }
        }
        if sorts.len() > MAX_SORTS {
            let message = format!("expected at most {MAX_SORTS} fields to sort by");
            return Err(Error::unreadable("sort", "OUT_OF_RANGE", message));
        }
        Ok(sorts)
    }
}

fn expansions(text: &str) -> Result<Vec<String>> {
    if text.trim().is_empty() {
        return Ok(Vec::new());
    }
    let mut names = split_values(text).map_err(|fault| fault.of("expand"))?;
    names.sort();
    names.dedup();
    Ok(names)
}

fn number(name: &str, text: &str) -> Result<u64> {
    text.trim().parse().map_err(|_| {
        let message = format!("expected a whole number, got {}", shown(text));
        Error::unreadable(name, "INVALID_VALUE", message)
    })
}

fn both(one: &'static str, other: &str) -> Error {
    let message = format!("{one} and {other} exclude each other");
    Error::unreadable(one, "CONTRADICTION", message)
}
