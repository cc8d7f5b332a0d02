//! What a member did, as the tenant's log tells it.

use super::{Member, Members, UserId};
use crate::access::fields::LeftOut;
use crate::access::{Permission, scoping};
use crate::audit::AuditEntry;
use crate::entity::Entity;
use crate::error::{Error, Result};
use crate::store::{Page, Query};

/// Something that a member did.
#[derive(Debug, Clone, PartialEq)]
pub struct Deed {
    /// What the log says of it. The values from and to which fields were changed are in it where
    /// the actor may view the log, and not where somebody looks at their own deeds only: what they
    /// changed may not be theirs to read any more.
    pub entry: AuditEntry,
    /// The fields that it changed, by their names.
    pub fields: Vec<String>,
    /// Whether the values are told.
    pub tells_values: bool,
}

impl Members {
    /// What a member did that the query asks for; also one who has left. Takes `audit:view` at a
    /// reach that contains the member; of oneself, nothing.
    ///
    /// # Errors
    /// [`Error::Forbidden`]; [`Error::NotFound`] where nobody like that was ever a member, or not
    /// within that reach; [`Error::Internal`] where the query asks for another type.
    pub async fn activity(&self, user: UserId, query: Query) -> Result<Page<Deed>> {
        if *query.schema() != *AuditEntry::schema() {
            return Err(Error::internal("what a member did was asked for of something else"));
        }
        let within = self.within();
        let (actor, catalogue) = (within.actor(), within.crm().catalogue());
        let view = Permission::of("audit", "view");
        let is_own = user == actor.user();
        let reach = match actor.require(&view) {
            Ok(reach) => Some(reach),
            Err(_) if is_own => None,
            Err(error) => return Err(error),
        };
        let not_found = || Error::not_found(Member::ENTITY, user);
        let member = self.ever(user).await?.ok_or_else(not_found)?;
        if let Some(reach) = reach {
            let record = member.into_record(Some(actor.tenant()))?;
            let covered = scoping::covers(actor, reach, Member::schema(), &record);
            if !is_own && !matches!(covered, scoping::Cover::Settled(true)) {
                return Err(not_found());
            }
        }
        let query = query.filter(AuditEntry::ACTOR.eq(user).into_filter())?;
        let page = match reach {
            Some(_) => within.query(&view, query).await?,
            None => within.scoped_query(&scoping::own(actor, catalogue, query)?).await?,
        };
        page.try_map(|record| {
            let mut entry = AuditEntry::from_values(record.into_values())?;
            let schema = catalogue.get(&entry.resource);
            if let Some(left_out) = schema.and_then(|schema| LeftOut::of(actor, schema)) {
                left_out.redact(&mut entry.changes);
            }
            let fields = entry.changes.as_object();
            let fields = fields.map(|all| all.keys().cloned().collect()).unwrap_or_default();
            let tells_values = reach.is_some();
            if !tells_values {
                entry.changes = serde_json::Value::Object(serde_json::Map::new());
            }
            Ok(Deed { entry, fields, tells_values })
        })
    }
}
