//! What the codes of roles mean in a tenant.

use std::collections::HashMap;

use super::CustomRole;
use crate::Choice;
use crate::access::{Actor, BuiltIn, Grant, Grants};
use crate::crm::Crm;
use crate::entity::{Entity, Find};
use crate::error::Result;
use crate::id::Id;
use crate::store::MAX_LIMIT;
use crate::tenants::TenantId;

/// The tenant's own roles among some codes, and the built-in ones.
#[derive(Debug, Default)]
pub(crate) struct Known(HashMap<String, CustomRole>);

/// Looks up the tenant's own roles among these codes. Where all are built in, nothing is asked.
pub(crate) async fn known<'a>(
    crm: &Crm,
    tenant: TenantId,
    codes: impl IntoIterator<Item = &'a str>,
) -> Result<Known> {
    let mut own: Vec<String> = codes
        .into_iter()
        .filter(|code| BuiltIn::from_code(code).is_none())
        .map(str::to_owned)
        .collect();
    own.sort_unstable();
    own.dedup();
    let mut found = HashMap::new();
    // Whoever asks may name any number of codes; a tenant has few roles.
    for part in own.chunks(super::MOST_ROLES) {
        // No permission is asked for: what is found decides, and is not shown.
        let within = crm.tenant(Actor::new(tenant, Id::new(uuid::Uuid::nil())));
        let find = Find::from(CustomRole::CODE.any_of(part.iter().cloned())).page(1, MAX_LIMIT);
        for record in within.query_for_rules(find.into_query()?).await?.items {
            let role = CustomRole::from_values(record.into_values())?;
            found.insert(role.code.clone(), role);
        }
    }
    Ok(Known(found))
}

impl Known {
    /// What a role may do; none where there is no such role.
    pub(crate) fn grants(&self, code: &str) -> Option<Grants> {
        match BuiltIn::from_code(code) {
            Some(role) => Some(role.grants()),
            None => self.0.get(code).map(CustomRole::all_grants),
        }
    }

    /// The tenant's own role of this code.
    pub(crate) fn own(&self, code: &str) -> Option<&CustomRole> {
        self.0.get(code)
    }

    /// What roles and extra grants may do together. Roles that there are not give nothing.
    pub(crate) fn together<'a>(
        &self,
        roles: impl IntoIterator<Item = &'a String>,
        extra: &[Grant],
    ) -> Grants {
        let mut all = Grants::default();
        for grants in roles.into_iter().filter_map(|code| self.grants(code)) {
            all.merge(&grants);
        }
        all.extend(extra.iter().cloned());
        all
    }
}
