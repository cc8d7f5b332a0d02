//! Who the people are whom records name: looked up for every list, and changed seldom.
//!
//! For showing only. Whether somebody may be named, or may do something, is asked of the store.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Member, UserId};
use crate::error::{Error, Result};
use crate::store::{Deleted, MAX_LIMIT, Page, Window};
use crate::{Entity, Find, TenantCrm};

/// The members of a tenant, also of those who left, as they were a moment ago.
#[derive(Debug)]
pub(crate) enum Staff {
    /// All of them.
    Whole(HashMap<UserId, Member>),
    /// Too many to remember.
    TooLarge,
}

/// The members of a tenant with these user identifiers, one for each, also of those who have left
/// or are inactive: for showing who a record is assigned to. Names and addresses of colleagues are
/// no secret within a tenant. What another instance changed is seen a moment later.
///
/// # Errors
/// [`Error::Limit`] beyond [`MAX_LIMIT`] users.
pub async fn colleagues(within: &TenantCrm, users: &[UserId]) -> Result<Vec<Member>> {
    if users.is_empty() {
        return Ok(Vec::new());
    }
    if users.len() > MAX_LIMIT as usize {
        let limit = u64::from(MAX_LIMIT);
        return Err(Error::Limit { what: "the number of users asked for".to_owned(), limit });
    }
    let remembered = within.crm().staff();
    let tenant = within.actor().tenant();
    let staff = match remembered.get(tenant, within.crm().clock().now()) {
        Ok(staff) => staff,
        Err(reading) => {
            let staff = Arc::new(match members(within, Find::all(), Some(1)).await? {
                Some(members) => Staff::Whole(members),
                None => Staff::TooLarge,
            });
            remembered.put(tenant, reading, Arc::clone(&staff));
            staff
        }
    };
    match &*staff {
        Staff::Whole(members) => {
            let mut users = users.to_vec();
            users.sort_unstable();
            users.dedup();
            Ok(users.iter().filter_map(|user| members.get(user).cloned()).collect())
        }
        Staff::TooLarge => {
            let named = Find::from(Member::USER.any_of(users.iter().copied()));
            let found = members(within, named, None).await?;
            Ok(found.into_iter().flat_map(HashMap::into_values).collect())
        }
    }
}

/// The members who are asked for, by user; none where they are more than so many parts.
async fn members(
    within: &TenantCrm,
    find: Find<Member>,
    most_parts: Option<usize>,
) -> Result<Option<HashMap<UserId, Member>>> {
    let mut found: HashMap<UserId, Member> = HashMap::new();
    let mut after = None;
    let mut parts = 0;
    loop {
        let query = find
            .clone()
            .deleted(Deleted::Include)
            .into_query()?
            .window(Window::Cursor { after, limit: MAX_LIMIT })?;
        let Page { items, next, .. } = within.query_for_rules(query).await?;
        for record in items {
            let member = Member::from_values(record.into_values())?;
            found.insert(member.user, member);
        }
        parts += 1;
        after = next;
        if after.is_none() {
            return Ok(Some(found));
        }
        if most_parts == Some(parts) {
            return Ok(None);
        }
    }
}
