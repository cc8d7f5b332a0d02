//! Which column fills which field.

use std::str::FromStr;

use crm_core::custom_fields::{CustomField, CustomFieldDraft};
use crm_core::customers::CustomerDraft;
use crm_core::{Choice, Faults, Result, TenantCrm};

use crate::fields::Target;

/// `COLUMN=FIELD`, or `COLUMN=FIELD, FIELD` for a cell that is taken apart.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Mapping {
    column: String,
    first: Target,
    /// Each further field, and what is written before it.
    further: Vec<(String, Target)>,
}

impl FromStr for Mapping {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // A column's name may hold the sign, a field's does not.
        let (column, fields) =
            text.rsplit_once('=').ok_or_else(|| "expected COLUMN=FIELD".to_owned())?;
        let is_field = |c: char| c.is_ascii_alphanumeric() || "_.:".contains(c);
        let name_of = |text: &str| text.find(|c| !is_field(c)).unwrap_or(text.len());
        let mut rest = fields.trim();
        let (name, after) = rest.split_at(name_of(rest));
        let first = Target::parse(name)?;
        rest = after;
        let mut further = Vec::new();
        while let Some(begin) = rest.find(is_field) {
            let (separator, after) = rest.split_at(begin);
            let (name, after) = after.split_at(name_of(after));
            let trimmed = separator.trim();
            let separator = if trimmed.is_empty() { " " } else { trimmed };
            further.push((separator.to_owned(), Target::parse(name)?));
            rest = after;
        }
        if !rest.is_empty() {
            return Err(format!("expected a field after {rest:?}"));
        }
        Ok(Self { column: column.trim().to_owned(), first, further })
    }
}

impl Mapping {
    fn targets(&self) -> impl Iterator<Item = &Target> {
        std::iter::once(&self.first).chain(self.further.iter().map(|(_, target)| target))
    }

    /// What of a cell goes where: taken apart from the end, so that the first field gets what is
    /// left. A cell without the separator is the first field's alone.
    fn parts<'a>(&'a self, cell: &'a str) -> Vec<(&'a Target, &'a str)> {
        let mut parts = Vec::new();
        let mut rest = cell;
        for (separator, target) in self.further.iter().rev() {
            if let Some((before, after)) = rest.rsplit_once(separator.as_str()) {
                parts.push((target, after));
                rest = before;
            }
        }
        parts.push((&self.first, rest));
        parts
    }
}

/// `FIELD=VALUE`: the same in every row.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Constant {
    target: Target,
    value: String,
}

impl FromStr for Constant {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (field, value) =
            text.split_once('=').ok_or_else(|| "expected FIELD=VALUE".to_owned())?;
        Ok(Self { target: Target::parse(field.trim())?, value: value.to_owned() })
    }
}

/// All of it, with each field filled once at most.
#[derive(Debug)]
pub(crate) struct Plan {
    mappings: Vec<Mapping>,
    constants: Vec<Constant>,
}

impl Plan {
    /// # Errors
    /// Where two would fill the same field.
    pub(crate) fn new(mappings: Vec<Mapping>, constants: Vec<Constant>) -> Result<Self, String> {
        let plan = Self { mappings, constants };
        let targets: Vec<&Target> = plan.targets().map(|(_, target)| target).collect();
        for (i, target) in targets.iter().enumerate() {
            if targets[..i].iter().any(|before| before.is_same_field(target)) {
                return Err(format!("{} is filled twice", name(target)));
            }
        }
        Ok(plan)
    }

    /// The plan for a file with these columns.
    ///
    /// # Errors
    /// Where a column is missing, or there are two of its name.
    pub(crate) fn for_header(self, header: &[String]) -> Result<Columns, String> {
        let place = |mapping: &Mapping| {
            let mut places = (0..header.len()).filter(|i| header[*i] == mapping.column);
            match (places.next(), places.next()) {
                (Some(place), None) => Ok(place),
                (Some(one), Some(other)) => Err(format!(
                    "column {:?} is there twice, as number {} and {}; rename one in the file",
                    mapping.column,
                    one + 1,
                    other + 1,
                )),
                (None, _) => Err(format!(
                    "there is no column {:?}; expected one of {header:?}",
                    mapping.column
                )),
            }
        };
        let places = self.mappings.iter().map(place).collect::<Result<_, _>>()?;
        Ok(Columns { plan: self, places })
    }

    /// Every field, with what to call it where it is a custom one.
    fn targets(&self) -> impl Iterator<Item = (Option<&str>, &Target)> {
        let mapped = self.mappings.iter().flat_map(|mapping| {
            let label = mapping.further.is_empty().then_some(mapping.column.as_str());
            mapping.targets().map(move |target| (label, target))
        });
        mapped.chain(self.constants.iter().map(|constant| (None, &constant.target)))
    }
}

/// A plan for the columns of one file.
#[derive(Debug)]
pub(crate) struct Columns {
    plan: Plan,
    /// Where in a row each mapping's cell is.
    places: Vec<usize>,
}

impl Columns {
    /// The customer that a row describes.
    ///
    /// # Errors
    /// Every fault of its cells, each naming the field.
    pub(crate) fn draft(&self, cells: &[String]) -> Result<CustomerDraft> {
        let mut draft = CustomerDraft::default();
        let mut faults = Faults::default();
        for constant in &self.plan.constants {
            faults.absorb(constant.target.fill(&mut draft, &constant.value))?;
        }
        for (mapping, place) in self.plan.mappings.iter().zip(&self.places) {
            let cell = cells.get(*place).map_or("", String::as_str);
            for (target, text) in mapping.parts(cell) {
                faults.absorb(target.fill(&mut draft, text))?;
            }
        }
        faults.into_result()?;
        Ok(draft)
    }

    /// Defines those custom fields that the tenant does not have yet.
    ///
    /// # Errors
    /// Where one is there with another type, or its key is none.
    pub(crate) async fn define_custom_fields(
        &self,
        within: &TenantCrm,
    ) -> Result<(), Box<dyn std::error::Error>> {
        for (label, target) in self.plan.targets() {
            let Target::Custom { key, field_type } = target else { continue };
            let is_it =
                CustomField::RECORD_TYPE.eq("customers").and(CustomField::KEY.eq(key.as_str()));
            match within.custom_fields().find(is_it).await?.items.first() {
                Some(there) if there.field_type == *field_type => {}
                Some(there) => {
                    let (there, wanted) = (there.field_type.code(), field_type.code());
                    return Err(
                        format!("customFields.{key} is of type {there}, not {wanted}").into()
                    );
                }
                None => {
                    let draft = CustomFieldDraft {
                        record_type: "customers".into(),
                        key: key.clone(),
                        label: label.unwrap_or(key).to_owned(),
                        field_type: *field_type,
                        ..CustomFieldDraft::default()
                    };
                    within.custom_fields().create(draft).await?;
                }
            }
        }
        Ok(())
    }
}

fn name(target: &Target) -> String {
    match target {
        Target::BuiltIn(i) => crate::fields::names()[*i].to_owned(),
        Target::Custom { key, .. } => format!("customFields.{key}"),
    }
}
