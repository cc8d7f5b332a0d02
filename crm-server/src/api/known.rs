//! What only a tenant knows about its records, looked up before a list's parameters are read.

use std::collections::{BTreeSet, HashMap};

use crm_core::custom_fields::{CustomField, definitions};
use crm_core::language::Custom;
use crm_core::store::{Kind, Schema, fold};
use crm_core::tags::Tag;
use crm_core::{Find, Result, TenantCrm};
use uuid::Uuid;

/// A tenant's own fields and tags, and who asks.
#[derive(Debug)]
pub(super) struct Known {
    fields: Vec<CustomField>,
    tags: HashMap<String, Uuid>,
    left_out: BTreeSet<String>,
    user: Uuid,
}

impl Known {
    /// Looks up what these parameters can mean: tags only where one of them is called by a name.
    pub(super) async fn about(
        crm: &TenantCrm,
        schema: &Schema,
        parameters: &[(String, String)],
    ) -> Result<Self> {
        let fields = match schema.custom() {
            Some(_) => definitions(crm, schema.name()).await?,
            None => Vec::new(),
        };
        let mentions = |(name, value): &(String, String)| {
            name.starts_with("tags") || (name == "filter" && value.contains("tags"))
        };
        let mut tags = HashMap::new();
        if schema.index_of("tags").is_some() && parameters.iter().any(mentions) {
            let mut after = None;
            loop {
                let part = crm.tags().walk(Find::default(), after).await?;
                let named =
                    part.items.into_iter().map(|Tag { id, name, .. }| (fold(&name), id.uuid()));
                tags.extend(named);
                after = part.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(Self { fields, tags, left_out: crm.left_out(schema), user: crm.actor().user().uuid() })
    }
}

impl Custom for Known {
    fn kind_of(&self, key: &str) -> Option<Kind> {
        self.fields.iter().find(|field| field.key == key).map(|field| field.field_type.kind())
    }

    fn keys(&self) -> Vec<String> {
        self.fields.iter().map(|field| field.key.clone()).collect()
    }

    fn is_left_out(&self, field: &str) -> bool {
        self.left_out.contains(field)
    }

    fn id_of(&self, field: &str, name: &str) -> Option<Uuid> {
        match (field, name) {
            ("tags", name) => self.tags.get(&fold(name)).copied(),
            // A schema does not say which of its fields name users; `me` can stand in any for one.
            (_, "me") => Some(self.user),
            _ => None,
        }
    }
}
