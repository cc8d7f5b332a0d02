//! Batches of an actor that reach beyond the tenant's own records: a change of its people or of
//! the tenant itself, with the notes by which every server learns of it.
//!
//! Whoever remembers what a member may do must be told in the commit that changes it, and those
//! notes belong to the installation. So these batches have the system's scope, and what may be in
//! them is said here, record by record. Anything else is a fault of the library and refused: it
//! must never depend on a service having been careful.

use super::Actor;
use crate::auth::{AccessChange, ApiKey, OneTimeToken, Session};
use crate::entity::Entity;
use crate::error::{Error, Result};
use crate::mail::QueuedMail;
use crate::store::{Batch, FieldIndex, Operation, Record, Scope, Scoped, Scoping, Value, system};
use crate::tenants::Tenant;
use crate::users::{Member, User};

/// Whether a batch concerns records of the installation.
pub(crate) fn is_beyond_the_tenant(batch: &Batch) -> bool {
    let global = |operation: &Operation| {
        operation.target().is_some_and(|(schema, _)| schema.scoping() == Scoping::Global)
    };
    batch.operations().iter().any(global)
}

/// A batch in the actor's tenant, and of the installation's records only
///
/// * notes of what changed, each naming the tenant;
/// * a user who comes to be together with being made a member of the tenant;
/// * mails that are about the tenant, and tokens for them, as yet without a secret;
/// * the end of sessions and of API keys in the tenant, of members whom the batch changes;
/// * the tenant itself, but not whether it is suspended.
pub(crate) fn batch_with_notes(actor: &Actor, batch: Batch) -> Result<Scoped<Batch>> {
    let operations = batch.operations();
    for (i, operation) in operations.iter().enumerate() {
        if !is_the_tenants(actor, operations, operation) {
            let message = "is not of the actor's tenant, nor what may go along with it";
            return Err(Error::internal(format!("operation {i} {message}")));
        }
    }
    Ok(Scoped::new(Scope::System, batch))
}

fn is_the_tenants(actor: &Actor, all: &[Operation], operation: &Operation) -> bool {
    // A counter without a tenant would be the installation's.
    let Some((schema, _)) = operation.target() else { return false };
    let tenant = Value::Uuid(actor.tenant().uuid());
    if schema.scoping() == Scoping::Tenant {
        let mut records = operation.before().into_iter().chain(operation.after());
        return records.all(|(_, record)| record.tenant() == Some(actor.tenant()));
    }
    match (schema.name(), operation) {
        (AccessChange::ENTITY, Operation::Insert { record, .. }) => {
            *record.get(AccessChange::TENANT.index()) == tenant
        }
        (OneTimeToken::ENTITY, Operation::Insert { record, .. }) => {
            *record.get(OneTimeToken::TENANT.index()) == tenant
                && !matches!(record.get(OneTimeToken::HASHES.index()), Value::Codes(hashes) if !hashes.is_empty())
        }
        (QueuedMail::ENTITY, Operation::Insert { record, .. }) => {
            *record.get(QueuedMail::TENANT.index()) == tenant
        }
        (User::ENTITY, Operation::Insert { record, .. }) => {
            let joins = |other: &Operation| {
                matches!(other, Operation::Insert { .. }) && is_member(other, record.id())
            };
            all.iter().any(joins)
        }
        (Session::ENTITY, Operation::Update { before, after, .. }) => {
            *before.get(Session::TENANT.index()) == tenant
                && !after.get(Session::ENDED_AT.index()).is_null()
                && differ_only_in(before, after, &[Session::ENDED_AT.index()])
                && is_changed(all, before.get(Session::USER.index()))
        }
        (ApiKey::ENTITY, Operation::Update { before, after, .. }) => {
            *before.get(ApiKey::TENANT.index()) == tenant
                && !after.get(system::DELETED_AT).is_null()
                && differ_only_in(before, after, &[system::DELETED_AT])
                && is_changed(all, before.get(ApiKey::USER.index()))
        }
        (Tenant::ENTITY, Operation::Update { before, after, .. }) => {
            let status = Tenant::STATUS.index();
            Value::Uuid(before.id()) == tenant && before.get(status) == after.get(status)
        }
        _ => false,
    }
}

/// Whether one of the operations changes the member that this user is.
fn is_changed(all: &[Operation], user: &Value) -> bool {
    let changes = |other: &Operation| matches!((other, user), (Operation::Update { .. }, Value::Uuid(user)) if is_member(other, *user));
    all.iter().any(changes)
}

/// Whether an operation writes the member that this user is.
fn is_member(operation: &Operation, user: uuid::Uuid) -> bool {
    operation.after().is_some_and(|(schema, record)| {
        schema.name() == Member::ENTITY && *record.get(Member::USER.index()) == Value::Uuid(user)
    })
}

fn differ_only_in(before: &Record, after: &Record, fields: &[FieldIndex]) -> bool {
    let pairs = (0..).zip(before.values().iter().zip(after.values()));
    pairs.into_iter().all(|(field, (from, to))| {
        from == to
            || fields.contains(&field)
            || [system::VERSION, system::UPDATED_AT].contains(&field)
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use chrono::{DateTime, Utc};
    use uuid::Uuid;

    use super::*;
    use crate::Id;
    use crate::auth::Purpose;
    use crate::entity::{Draft, SystemFields};
    use crate::mail::{MailKind, MailStatus};
    use crate::store::Schema;
    use crate::tags::{Tag, TagDraft};
    use crate::tenants::{TenantDraft, TenantId, TenantStatus};
    use crate::users::{MemberDraft, UserDraft, UserId};

    const OURS: u128 = 1;
    const THEIRS: u128 = 2;
    const ADA: u128 = 10;
    const BOB: u128 = 11;

    fn fresh<E: Entity>(id: u128) -> SystemFields<E> {
        let now = DateTime::<Utc>::UNIX_EPOCH;
        let id = Id::new(Uuid::from_u128(id));
        SystemFields { id, version: 1, created_at: now, updated_at: now, deleted_at: None }
    }

    fn id<T>(number: u128) -> Id<T> {
        Id::new(Uuid::from_u128(number))
    }

    fn insert<E: Entity>(tenant: Option<u128>, entity: E) -> Operation {
        let record = entity.into_record(tenant.map(id)).unwrap();
        Operation::Insert { schema: Arc::clone(E::schema()), record }
    }

    fn update<E: Entity>(
        tenant: Option<u128>,
        before: E,
        change: impl FnOnce(&mut E),
    ) -> Operation {
        let mut after = before.clone();
        let mut system = SystemFields::of(&before);
        system.version += 1;
        after.set_system(system);
        change(&mut after);
        let tenant: Option<TenantId> = tenant.map(id);
        let (before, after) =
            (before.into_record(tenant).unwrap(), after.into_record(tenant).unwrap());
        Operation::Update { schema: Arc::clone(E::schema()), before, after }
    }

    fn note(tenant: Option<u128>) -> Operation {
        let SystemFields { id: own, version, created_at, updated_at, deleted_at } = fresh(90);
        insert(
            None,
            AccessChange {
                id: own,
                version,
                created_at,
                updated_at,
                deleted_at,
                session: None,
                api_key: None,
                user: Some(id(ADA)),
                tenant: tenant.map(id),
            },
        )
    }

    fn member(user: u128) -> Member {
        let draft = MemberDraft {
            user: id(user),
            name: "Ada".to_owned(),
            roles: vec!["user".to_owned()],
            title: None,
            phone: None,
        };
        draft.into_entity(fresh(user))
    }

    fn user(own: u128) -> User {
        UserDraft { email: "a@example.com".to_owned(), ..UserDraft::default() }
            .into_entity(fresh(own))
    }

    fn session(user: u128, tenant: u128) -> Session {
        let SystemFields { id: own, version, created_at, updated_at, deleted_at } = fresh(80);
        Session {
            id: own,
            family: own,
            version,
            created_at,
            updated_at,
            deleted_at,
            user: id(user),
            tenant: Some(id(tenant)),
            remembered: false,
            expires_at: created_at,
            ended_at: None,
            used_at: created_at,
            network: None,
            agent: None,
            methods: Vec::new(),
            second_factor_at: None,
            address: None,
        }
    }

    fn tenant(own: u128) -> Tenant {
        TenantDraft { name: "Acme".to_owned(), ..TenantDraft::default() }.into_entity(fresh(own))
    }

    fn tag() -> Tag {
        TagDraft { name: "VIP".to_owned(), color: None }.into_entity(fresh(70))
    }

    fn key(user: u128, tenant: u128) -> ApiKey {
        let SystemFields { id: own, version, created_at, updated_at, deleted_at } = fresh(81);
        ApiKey {
            id: own,
            version,
            created_at,
            updated_at,
            deleted_at,
            user: id(user),
            tenant: id(tenant),
            place: 0,
            name: "Reports".to_owned(),
            prefix: "crm_".to_owned(),
            scopes: vec!["*".to_owned()],
            hash: String::new(),
            expires_at: None,
            last_used_at: None,
            last_address: None,
        }
    }

    fn revoked(user: u128, tenant: u128) -> Operation {
        update(None, key(user, tenant), |key| key.deleted_at = Some(DateTime::UNIX_EPOCH))
    }

    fn ended(user: u128, tenant: u128) -> Operation {
        update(None, session(user, tenant), |s| s.ended_at = Some(DateTime::UNIX_EPOCH))
    }

    fn renamed(user: u128, tenant: u128) -> Operation {
        update(Some(tenant), member(user), |member| member.title = Some("Boss".to_owned()))
    }

    fn passes(operations: impl IntoIterator<Item = Operation>) -> bool {
        let actor = Actor::new(id(OURS), UserId::new(Uuid::from_u128(ADA)));
        let batch = Batch::new(operations.into_iter().collect()).unwrap();
        assert!(is_beyond_the_tenant(&batch));
        match batch_with_notes(&actor, batch) {
            Ok(scoped) => scoped.scope() == Scope::System,
            Err(Error::Internal(_)) => false,
            Err(other) => panic!("{other}"),
        }
    }

    #[test]
    fn a_change_of_ones_own_people_passes_with_all_that_goes_along() {
        assert!(passes([renamed(BOB, OURS), note(Some(OURS))]));
        assert!(passes([user(BOB)].map(|user| insert(None, user)).into_iter().chain([
            insert(Some(OURS), member(BOB)),
            note(Some(OURS)),
            insert(Some(OURS), tag()),
        ])));
        assert!(passes([renamed(BOB, OURS), ended(BOB, OURS), note(Some(OURS))]));
        assert!(passes([update(None, tenant(OURS), |t| t.name = "New".to_owned())]));
    }

    #[test]
    fn nothing_of_another_tenant_passes() {
        assert!(!passes([renamed(BOB, THEIRS), note(Some(OURS))]));
        assert!(!passes([insert(Some(THEIRS), tag()), note(Some(OURS))]));
        assert!(!passes([renamed(BOB, OURS), note(Some(THEIRS))]));
        assert!(!passes([renamed(BOB, OURS), note(None)]));
        assert!(!passes([update(None, tenant(THEIRS), |t| t.name = "New".to_owned())]));
        assert!(!passes([renamed(BOB, OURS), ended(BOB, THEIRS)]));
        let check = Operation::Check {
            schema: Arc::clone(Member::schema()),
            before: member(BOB).into_record(Some(id(THEIRS))).unwrap(),
        };
        assert!(!passes([check, note(Some(OURS))]));
    }

    #[test]
    fn users_come_to_be_as_members_and_are_never_changed() {
        assert!(!passes([insert(None, user(BOB))]));
        assert!(!passes([insert(None, user(BOB)), insert(Some(OURS), member(ADA))]));
        assert!(!passes([insert(None, user(BOB)), insert(Some(THEIRS), member(BOB))]));
        assert!(!passes([insert(None, user(BOB)), renamed(BOB, OURS)]));
        let password = |user: &mut User| user.password = Some("x".to_owned());
        assert!(!passes([update(None, user(BOB), password), renamed(BOB, OURS)]));
    }

    #[test]
    fn sessions_are_ended_and_nothing_else() {
        let prolonged = update(None, session(BOB, OURS), |session| {
            session.ended_at = Some(DateTime::UNIX_EPOCH);
            session.expires_at += chrono::TimeDelta::days(1);
        });
        assert!(!passes([renamed(BOB, OURS), prolonged]));
        let alive = update(None, session(BOB, OURS), |_| {});
        assert!(!passes([renamed(BOB, OURS), alive]));
        assert!(!passes([renamed(ADA, OURS), ended(BOB, OURS)]));
        assert!(!passes([renamed(BOB, OURS), insert(None, session(BOB, OURS))]));
    }

    fn mail(tenant: Option<u128>) -> QueuedMail {
        let SystemFields { id: own, version, created_at, updated_at, deleted_at } = fresh(60);
        QueuedMail {
            id: own,
            version,
            created_at,
            updated_at,
            deleted_at,
            kind: MailKind::MemberAdded,
            recipient: "bob@example.com".to_owned(),
            user: Some(id(BOB)),
            tenant: tenant.map(id),
            token: None,
            fields: None,
            status: MailStatus::Queued,
            due_at: created_at,
            attempts: 0,
            failure: None,
        }
    }

    #[test]
    fn mails_are_queued_about_the_tenant_and_never_changed() {
        assert!(passes([renamed(BOB, OURS), insert(None, mail(Some(OURS)))]));
        assert!(!passes([renamed(BOB, OURS), insert(None, mail(Some(THEIRS)))]));
        assert!(!passes([renamed(BOB, OURS), insert(None, mail(None))]));
        let sent = update(None, mail(Some(OURS)), |mail| mail.status = MailStatus::Sent);
        assert!(!passes([renamed(BOB, OURS), sent]));
    }

    #[test]
    fn tokens_are_asked_for_without_a_secret_and_never_changed() {
        let token = |tenant: u128, hashes: &[&str]| {
            let SystemFields { id: own, version, created_at, updated_at, deleted_at } = fresh(61);
            OneTimeToken {
                id: own,
                version,
                created_at,
                updated_at,
                deleted_at,
                purpose: Purpose::Invitation,
                address: "bob@example.com".to_owned(),
                number: 1,
                subject: "x".to_owned(),
                user: None,
                tenant: Some(id(tenant)),
                hashes: hashes.iter().map(|hash| (*hash).to_owned()).collect(),
                rests_on: None,
                expires_at: created_at,
                spent_at: None,
            }
        };
        assert!(passes([renamed(BOB, OURS), insert(None, token(OURS, &[]))]));
        assert!(!passes([renamed(BOB, OURS), insert(None, token(THEIRS, &[]))]));
        assert!(!passes([renamed(BOB, OURS), insert(None, token(OURS, &["known"]))]));
        let spent =
            update(None, token(OURS, &[]), |token| token.spent_at = Some(DateTime::UNIX_EPOCH));
        assert!(!passes([renamed(BOB, OURS), spent]));
    }

    #[test]
    fn keys_are_revoked_and_nothing_else() {
        assert!(passes([renamed(BOB, OURS), revoked(BOB, OURS), note(Some(OURS))]));
        assert!(!passes([renamed(BOB, OURS), revoked(BOB, THEIRS)]));
        assert!(!passes([renamed(ADA, OURS), revoked(BOB, OURS)]));
        let widened = update(None, key(BOB, OURS), |key| {
            key.deleted_at = Some(DateTime::UNIX_EPOCH);
            key.scopes.push("customers:write".to_owned());
        });
        assert!(!passes([renamed(BOB, OURS), widened]));
        assert!(!passes([renamed(BOB, OURS), update(None, key(BOB, OURS), |_| {})]));
        let back = ApiKey { deleted_at: Some(DateTime::UNIX_EPOCH), ..key(BOB, OURS) };
        assert!(!passes([renamed(BOB, OURS), update(None, back, |key| key.deleted_at = None)]));
        assert!(!passes([renamed(BOB, OURS), insert(None, key(BOB, OURS))]));
    }

    #[test]
    fn no_tenant_lifts_its_own_suspension() {
        let suspended = Tenant { status: TenantStatus::Suspended, ..tenant(OURS) };
        assert!(!passes([update(None, suspended, |t| t.status = TenantStatus::Active)]));
    }

    #[test]
    fn no_counter_of_the_installation_is_touched() {
        let increment = Operation::Increment { counter: "tickets".to_owned(), by: 1 };
        assert!(!passes([increment, note(Some(OURS))]));
    }

    #[test]
    fn removing_anything_global_is_refused() {
        let remove =
            |schema: &Arc<Schema>, before| Operation::Remove { schema: Arc::clone(schema), before };
        let tenant = tenant(OURS).into_record(None).unwrap();
        assert!(!passes([remove(Tenant::schema(), tenant)]));
        let user = user(BOB).into_record(None).unwrap();
        assert!(!passes([remove(User::schema(), user), renamed(BOB, OURS)]));
    }
}
