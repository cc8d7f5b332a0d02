//! Tenants: the unit of isolation, and the work of the installation across them.

mod of_user;
mod purge;
mod removal;
mod settings;
mod system;

use std::sync::Arc;

use chrono::{DateTime, Utc};

pub use of_user::TenantsOf;
pub use purge::Purged;
pub use settings::TenantSettings;
pub use system::System;

use crate::crm::Crm;
use crate::error::{Error, Faults, Result};
use crate::id::Id;
use crate::store::{Deleted, Filter, Path, Query, Value, Window, system as fields};
use crate::values::{Currency, Domain, Locale, Multiline, TimeZone, required_text};
use crate::{Choice, Entity};

/// The identifier of a tenant.
pub type TenantId = Id<Tenant>;

/// Whether a tenant's people may work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Choice)]
pub enum TenantStatus {
    /// They may.
    #[default]
    Active,
    /// Nobody may until the installation's operator lifts it.
    Suspended,
    /// It was deleted, its time to come back is over, and its records are being removed for good.
    Removing,
}

/// An organisation whose records nobody else sees.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(name = "tenants", global, owners(nobody))]
pub struct Tenant {
    /// The identifier.
    pub id: Id<Self>,
    /// The version.
    pub version: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
    /// What it is called.
    #[entity(filter, sort, search)]
    pub name: String,
    /// Its domain on the internet.
    #[entity(filter)]
    pub domain: Option<String>,
    /// The language and customs of its people (BCP 47); `en` where none is given.
    #[entity(code)]
    pub locale: Option<String>,
    /// Where its days begin (IANA); UTC where none is given.
    #[entity(code)]
    pub time_zone: Option<String>,
    /// What it counts its money in (ISO 4217); none where none is given.
    #[entity(code)]
    pub currency: Option<String>,
    /// Whether its people have to show a second factor to work in it.
    pub require_mfa: bool,
    /// The codes of the roles whose people have to, where not all do.
    pub require_mfa_roles: Vec<String>,
    /// Whether its people may work.
    #[entity(computed, filter)]
    pub status: TenantStatus,
}

impl Tenant {
    /// Where its days begin.
    pub fn zone(&self) -> TimeZone {
        self.time_zone
            .as_deref()
            .and_then(|zone| TimeZone::parse("timeZone", zone).ok())
            .unwrap_or_default()
    }

    pub(crate) fn check(&mut self) -> Result<()> {
        let mut faults = Faults::default();
        let name = required_text("name", &self.name, 200, Multiline::No);
        if let Some(name) = faults.absorb(name)? {
            self.name = name;
        }
        for text in [&mut self.domain, &mut self.time_zone, &mut self.locale, &mut self.currency] {
            if text.as_deref().is_some_and(|text| text.trim().is_empty()) {
                *text = None;
            }
        }
        if let Some(domain) = &self.domain
            && let Some(domain) = faults.absorb(Domain::parse("domain", domain))?
        {
            self.domain = Some(domain.as_str().to_owned());
        }
        if let Some(zone) = &self.time_zone
            && let Some(zone) = faults.absorb(TimeZone::parse("timeZone", zone))?
        {
            self.time_zone = Some(zone.as_str().to_owned());
        }
        if let Some(locale) = &self.locale
            && let Some(locale) = faults.absorb(Locale::parse("locale", locale))?
        {
            self.locale = Some(locale.as_str().to_owned());
        }
        if let Some(currency) = &self.currency
            && let Some(currency) = faults.absorb(Currency::parse("currency", currency))?
        {
            self.currency = Some(currency.as_str().to_owned());
        }
        let roles = &mut self.require_mfa_roles;
        roles.sort_unstable();
        roles.dedup();
        if roles.len() > crate::roles::MOST_ROLES {
            let message =
                format!("expected at most {}, got {}", crate::roles::MOST_ROLES, roles.len());
            faults.add("requireMfaRoles", "TOO_MANY", message);
        }
        faults.into_result()
    }
}

/// The tenant, as it was a moment ago: settings are asked for far more often than they change.
pub(crate) async fn lately(crm: &Crm, id: TenantId) -> Result<Arc<Tenant>> {
    match crm.tenants().get(id, crm.clock().now()) {
        Ok(tenant) => Ok(tenant),
        Err(reading) => {
            let tenant = Arc::new(load(crm, id).await?);
            crm.tenants().put(id, reading, Arc::clone(&tenant));
            Ok(tenant)
        }
    }
}

pub(crate) async fn load(crm: &Crm, id: TenantId) -> Result<Tenant> {
    let query = Query::new(Tenant::schema().clone())
        .filter(Filter::In(Path::field(fields::ID), vec![Value::Uuid(id.uuid())]))?
        .window(Window::Page { offset: 0, limit: 1 })?
        .deleted(Deleted::Exclude);
    let found = crm.system_query(query).await?.items.into_iter().next();
    let record = found.ok_or_else(|| Error::not_found(Tenant::ENTITY, id))?;
    Tenant::from_values(record.into_values())
}
