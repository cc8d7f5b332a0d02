//! Roles: the built-in ones that every tenant has, and a tenant's own beside them.
//!
//! A member names its roles by their codes. What a code means in a tenant is found out in
//! `known.rs`, for members, for sessions and for hosts that keep their users themselves. Nobody
//! makes a role that may do more than they may, nor changes one that does; and a changed role
//! takes effect with all who have it, so it is not changed above anybody either.

mod known;
mod preview;
mod service;

use std::borrow::Cow;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

pub(crate) use known::{Known, known};
pub use preview::{MOST_COUNTED, MOST_SHOWN, MemberChange, ReachChange, RecordChange, RolePreview};
pub use service::Roles;

use crate::access::fields::{can_be_left_out, leaves_out, own_key};
use crate::access::{BuiltIn, Grant, Grants, Permission, Reach, is_known, permissions};
use crate::audit::Action;
use crate::custom_fields::all_definitions;
use crate::error::{Error, Faults, Result};
use crate::id::Id;
use crate::near::near;
use crate::records::{Along, Rules};
use crate::store::{Query, Schema, Scoping, Window};
use crate::users::Member;
use crate::values::{Multiline, clean_texts, required_text};
use crate::{Choice, Entity, Find, TenantCrm};

/// The most roles of a tenant's own.
pub const MOST_ROLES: usize = 200;
/// The most permissions of one role, or of one member beside its roles.
pub const MOST_GRANTS: usize = 1_000;
/// The most fields that one permission leaves out.
pub const MOST_LEFT_OUT: usize = 100;
/// The most characters of a role's code.
const LONGEST_CODE: usize = 60;

/// A role of a tenant's own.
#[derive(Debug, Clone, PartialEq, Entity)]
#[entity(name = "roles", tenant, owners(everybody))]
#[entity(unique(name = "roles_code", fields(code)), unique(name = "roles_name", fields(name)))]
pub struct CustomRole {
    /// The identifier.
    pub id: Id<Self>,
    /// The version. It also goes up when somebody is given the role.
    pub version: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// When it was deleted.
    pub deleted_at: Option<DateTime<Utc>>,
    /// What members name it by: lower-case letters, digits and `_`. Made of the name where none
    /// is given, and never changed afterwards.
    #[entity(filter, sort, code)]
    pub code: String,
    /// What people call it; unique in the tenant, without case or accents.
    #[entity(filter, sort, search)]
    pub name: String,
    /// What it is for.
    #[entity(search)]
    pub description: Option<String>,
    /// What it may do.
    #[entity(filter)]
    pub grants: Vec<Grant>,
}

impl CustomRole {
    /// What it may do, as one.
    pub fn all_grants(&self) -> Grants {
        self.grants.iter().cloned().collect()
    }
}

#[async_trait]
impl Rules for CustomRole {
    fn action(action: &'static str) -> &'static str {
        if action == "read" { "read" } else { "manage" }
    }

    async fn check(&mut self, before: Option<&Self>, within: &TenantCrm) -> Result<()> {
        let mut faults = Faults::default();
        if let Some(name) = faults.absorb(required_text("name", &self.name, 100, Multiline::No))? {
            self.name = name;
        }
        clean_texts([("description", &mut self.description, 500, Multiline::Yes)], &mut faults)?;
        match before {
            None if self.code.trim().is_empty() => self.code = code_of(&self.name),
            Some(before) if self.code.is_empty() => self.code.clone_from(&before.code),
            Some(before) if before.code != self.code => {
                faults.add("code", "IMMUTABLE", "cannot be changed: members name the role by it");
            }
            _ => {}
        }
        self.check_code(&mut faults);
        let had = before.map_or(&[][..], |before| &before.grants);
        check_grants("permissions", &mut self.grants, had, within, &mut faults).await?;
        // One that is brought back counts like one that is new.
        if before.is_none_or(|before| before.deleted_at.is_some()) {
            let query = Find::<Self>::all().page(1, 1).counted().into_query()?;
            let there = within.query_for_rules(query).await?.total.unwrap_or_default();
            if there >= MOST_ROLES as u64 {
                faults.add("", "TOO_MANY", format!("there are {MOST_ROLES} roles already"));
            }
        }
        faults.into_result()
    }

    async fn accompany(
        action: Action,
        before: Option<&Self>,
        after: &Self,
        within: &TenantCrm,
        _along: &mut Along<'_>,
    ) -> Result<()> {
        let actor = within.actor();
        if let Some(before) = before {
            actor.require_all(&before.all_grants())?;
        }
        match (action, before) {
            (Action::Deleted, _) => after.require_unused(within).await,
            (Action::Updated, Some(before)) if before.grants != after.grants => {
                actor.require_all(&after.all_grants())?;
                after.require_nobody_above(before, within).await
            }
            _ => actor.require_all(&after.all_grants()),
        }
    }
}

impl CustomRole {
    fn check_code(&self, faults: &mut Faults) {
        let is_word = self.code.starts_with(|c: char| c.is_ascii_lowercase())
            && self.code.len() <= LONGEST_CODE
            && self.code.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if !is_word {
            let message = format!(
                "expected up to {LONGEST_CODE} lower-case letters, digits and _, beginning with a \
                 letter, got {:?}",
                self.code
            );
            faults.add("code", "INVALID_KEY", message);
        } else if BuiltIn::from_code(&self.code).is_some() || self.code == BuiltIn::SUPER_ADMIN {
            let message = format!("{} is the code of a built-in role", self.code);
            faults.add("code", "BUILT_IN_ROLE", message);
        }
    }

    /// That nobody has the role, active or not. Giving it to somebody makes a new version of it,
    /// so nobody is given it while it is being deleted.
    async fn require_unused(&self, within: &TenantCrm) -> Result<()> {
        let find = Find::from(Member::ROLES.eq(self.code.clone())).page(1, 1).counted();
        match within.query_for_rules(find.into_query()?).await?.total.unwrap_or_default() {
            0 => Ok(()),
            count => {
                let have = if count == 1 { "member has" } else { "members have" };
                let message = format!("{count} {have} the role {}", self.code);
                Err(Error::Conflict { code: "IN_USE", field: None, message })
            }
        }
    }

    /// That nobody whom the change concerns stands above the actor.
    async fn require_nobody_above(&self, before: &Self, within: &TenantCrm) -> Result<()> {
        let holders = Member::ROLES.eq(self.code.clone());
        let mut seen: Vec<(Vec<String>, Vec<Grant>)> = Vec::new();
        let mut after = None;
        loop {
            let window = Window::Cursor { after, limit: crate::store::MAX_LIMIT };
            let query = Query::new(Member::schema().clone())
                .filter(holders.clone().into_filter())?
                .window(window)?;
            let page = within.query_for_rules(query).await?;
            for record in page.items {
                let Member { roles, grants, .. } = Member::from_values(record.into_values())?;
                if !seen.contains(&(roles.clone(), grants.clone())) {
                    seen.push((roles, grants));
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        let codes = seen.iter().flat_map(|(roles, _)| roles.iter().map(String::as_str));
        let others = known(within.crm(), within.actor().tenant(), codes).await?;
        for (roles, grants) in seen {
            let without = roles.iter().filter(|code| **code != self.code);
            let without = others.together(without, &grants);
            let with = |this: &Self| {
                let mut held = without.clone();
                held.extend(this.grants.iter().cloned());
                held
            };
            let (was, will) = (with(before), with(self));
            if !was.amount_to(&will) {
                within.actor().require_all(&was)?;
            }
            // Whom those who have the role manage, now or in a moment, is not looked at.
            within.actor().require_for_all(&will.newly_for_teams(&was))?;
        }
        Ok(())
    }
}

/// A code out of a name: `Key account (EMEA)` as `key_account_emea`.
fn code_of(name: &str) -> String {
    let folded = crate::store::fold(name);
    let words = folded.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut code = words.collect::<Vec<_>>().join("_");
    if !code.starts_with(|c: char| c.is_ascii_lowercase()) {
        code.insert_str(0, "role_");
    }
    code.truncate(LONGEST_CODE);
    code.trim_end_matches('_').to_owned()
}

/// Refuses permissions that there are not, and fields that cannot be left out of one, and gives each
/// once, at the widest reach named and without what all of them leave out.
pub(crate) async fn check_grants(
    field: &str,
    grants: &mut Vec<Grant>,
    had: &[Grant],
    within: &TenantCrm,
    faults: &mut Faults,
) -> Result<()> {
    if grants.len() > MOST_GRANTS {
        let message = format!("expected at most {MOST_GRANTS} permissions, got {}", grants.len());
        faults.add(field, "TOO_MANY", message);
        return Ok(());
    }
    let catalogue = within.crm().catalogue();
    for (i, grant) in grants.iter().enumerate().filter(|(_, grant)| !grant.without.is_empty()) {
        check_left_out(&format!("{field}[{i}].without"), grant, had, within, faults).await?;
    }
    let names: Vec<String> = permissions().map(|(_, known)| known.to_string()).collect();
    for (i, Grant { permission, .. }) in grants.iter().enumerate() {
        if is_known(catalogue, permission) {
            continue;
        }
        let written = permission.to_string();
        let meant = near(&written, names.iter().map(String::as_str));
        let meant = match meant.as_slice() {
            [] => Cow::Borrowed(""),
            meant => format!(", did you mean {}?", meant.join(" or ")).into(),
        };
        let message = format!("there is no permission {written}{meant}");
        faults.add(format!("{field}[{i}].permission"), "UNKNOWN_PERMISSION", message);
    }
    let all: Grants = grants.iter().cloned().collect();
    let mut seen: Vec<Permission> = Vec::new();
    grants.retain_mut(|Grant { permission, reach, without }| {
        let first = !seen.contains(permission);
        seen.push(permission.clone());
        *reach = all.reach(permission).unwrap_or(Reach::Assigned);
        *without = all.left_out(permission).into_iter().flatten().cloned().collect();
        first
    });
    Ok(())
}

/// Refuses fields that cannot be left out of a permission; those that it left out before are not
/// asked about again.
async fn check_left_out(
    at: &str,
    grant: &Grant,
    had: &[Grant],
    within: &TenantCrm,
    faults: &mut Faults,
) -> Result<()> {
    let Grant { permission, without, .. } = grant;
    if !leaves_out(permission) {
        let message = format!("{permission} cannot leave out fields: only reading records can");
        faults.add(at, "NOT_LEFT_OUT", message);
        return Ok(());
    }
    if without.len() > MOST_LEFT_OUT {
        let message = format!("expected at most {MOST_LEFT_OUT} fields, got {}", without.len());
        faults.add(at, "TOO_MANY", message);
        return Ok(());
    }
    let left_out = had.iter().filter(|had| had.permission == *permission);
    let left_out: Vec<&String> = left_out.flat_map(|had| &had.without).collect();
    let of_it = |schema: &&Arc<Schema>| {
        schema.resource() == permission.resource() && schema.scoping() == Scoping::Tenant
    };
    let schemas: Vec<&Arc<Schema>> = within.crm().catalogue().iter().filter(of_it).collect();
    for (i, name) in without.iter().enumerate().filter(|(_, name)| !left_out.contains(name)) {
        let at = format!("{at}[{i}]");
        let mut known = false;
        let mut can_be = false;
        for schema in &schemas {
            if let Some(key) = own_key(schema, name) {
                let all = all_definitions(within, schema.name()).await?;
                can_be |= all.iter().any(|field| field.key == key);
            } else if let Some(index) = schema.index_of(name) {
                known = true;
                can_be |= can_be_left_out(schema, index);
            }
        }
        let short: String = name.chars().take(60).collect();
        match (can_be, known) {
            (true, _) => {}
            (false, true) => {
                let message = format!("{short} is always there, or decides who sees the record");
                faults.add(at, "NOT_LEFT_OUT", message);
            }
            (false, false) => {
                let message = format!("{} have no field {short:?}", permission.resource());
                faults.add(at, "UNKNOWN_FIELD", message);
            }
        }
    }
    Ok(())
}
