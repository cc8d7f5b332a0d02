//! What an embedder sees first: a [`Crm`] over a store, and handles within it.

use std::collections::BTreeSet;
use std::sync::Arc;

use chrono::TimeDelta;
use tokio::sync::Notify;

use crate::access::fields::LeftOut;
use crate::access::{Actor, scoping};
use crate::auth::{ApiKeys, Auth, Lockout, SHORTEST_PASSWORD};
use crate::clock::{Clock, SystemClock};
use crate::companies::Companies;
use crate::custom_fields::{self, CustomField, CustomFieldDefinitions};
use crate::customers::Customers;
use crate::entity::Entity;
use crate::error::{Error, Result};
use crate::id::{Id, Random, SystemRandom};
use crate::idempotency::Idempotency;
use crate::lately::Lately;
use crate::ports::{MailTexts, Mailer, PasswordHasher, Sealer};
use crate::records::{Records, Rules};
use crate::relations::{RelationKinds, Relations};
use crate::roles::Roles;
use crate::store::{
    Aggregate, Batch, Catalogue, Commit, Group, Page, Query, Record, Schema, Scope, Scoped, Store,
};
use crate::tags::{Tags, Vocabulary};
use crate::teams::Teams;
use crate::tenants::{System, Tenant, TenantId, TenantSettings, TenantsOf};
use crate::users::{Invitations, Members, Staff, UserId};

/// A CRM over a store. Cheap to clone; share one per program.
#[derive(Debug, Clone)]
pub struct Crm(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Arc<dyn Store>,
    catalogue: Catalogue,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    hasher: Option<Arc<dyn PasswordHasher>>,
    sealer: Option<Arc<dyn Sealer>>,
    keeps_users: bool,
    mailing: Option<Mailing>,
    mail_waits: Notify,
    session_lifetimes: (TimeDelta, TimeDelta),
    refresh_grace: TimeDelta,
    shortest_password: usize,
    lockout: Lockout,
    tenant_grace: TimeDelta,
    definitions: Lately<[CustomField]>,
    tenants: Lately<Tenant>,
    vocabularies: Lately<Vocabulary>,
    staff: Lately<Staff>,
}

/// What carries mails, and what finds their words.
type Mailing = (Arc<dyn Mailer>, Arc<dyn MailTexts>);

/// Every record type of the product, in the order in which tables are made.
///
/// # Errors
/// [`Error::Internal`] where declarations contradict each other; the tests prove that they do not.
pub fn catalogue() -> Result<Catalogue> {
    Catalogue::new(product_schemas())
}

/// Whether a record type is one of the product's, rather than of a host's own.
pub(crate) fn is_product(schema: &Schema) -> bool {
    product_schemas().iter().any(|product| product.name() == schema.name())
}

fn product_schemas() -> Vec<Arc<Schema>> {
    [
        Tenant::schema(),
        crate::users::User::schema(),
        crate::users::Member::schema(),
        crate::users::Invitation::schema(),
        crate::roles::CustomRole::schema(),
        crate::auth::Session::schema(),
        crate::auth::RefreshToken::schema(),
        crate::auth::AccessChange::schema(),
        crate::auth::ApiKey::schema(),
        crate::auth::FailedSignIns::schema(),
        crate::auth::SecondFactor::schema(),
        crate::auth::Challenge::schema(),
        crate::tags::Tag::schema(),
        crate::teams::Team::schema(),
        CustomField::schema(),
        custom_fields::CustomClaim::schema(),
        crate::companies::Company::schema(),
        crate::customers::Customer::schema(),
        crate::relations::RelationKind::schema(),
        crate::relations::Relation::schema(),
        crate::audit::AuditEntry::schema(),
        crate::events::Event::schema(),
        crate::idempotency::Claim::schema(),
        crate::auth::OneTimeToken::schema(),
        crate::mail::QueuedMail::schema(),
    ]
    .into_iter()
    .cloned()
    .collect()
}

/// Sets up a [`Crm`] that differs from the usual one.
#[derive(Debug)]
pub struct CrmBuilder {
    store: Arc<dyn Store>,
    schemas: Vec<Arc<Schema>>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    hasher: Option<Arc<dyn PasswordHasher>>,
    sealer: Option<Arc<dyn Sealer>>,
    keeps_users: bool,
    mailing: Option<Mailing>,
    session_lifetimes: (TimeDelta, TimeDelta),
    refresh_grace: TimeDelta,
    shortest_password: usize,
    lockout: Lockout,
    tenant_grace: TimeDelta,
}

impl CrmBuilder {
    /// Telling the time from this clock.
    #[must_use]
    pub fn clock(mut self, clock: impl Clock) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Telling the time from a clock that the caller keeps a hand on.
    #[must_use]
    pub fn shared_clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Taking identifiers and secrets from here.
    #[must_use]
    pub fn random(mut self, random: impl Random) -> Self {
        self.random = Arc::new(random);
        self
    }

    /// Keeping users and their passwords itself: then [`Crm::auth`] works, and a record can be
    /// assigned to members of the tenant only. Without it the host's users are the host's
    /// business, and any user identifier is taken.
    #[must_use]
    pub fn users(mut self, hasher: impl PasswordHasher) -> Self {
        self.hasher = Some(Arc::new(hasher));
        self.keeps_users = true;
        self
    }

    /// Letting people know by mail, in these words. Mails are queued with what they tell of;
    /// [`System::deliver_mail`] sends them, and whoever hosts the CRM calls it. Without it nobody
    /// is written to, and what takes a mail is refused.
    #[must_use]
    pub fn mails(self, mailer: impl Mailer, texts: impl MailTexts) -> Self {
        self.shared_mails(Arc::new(mailer), Arc::new(texts))
    }

    /// The same with what the caller keeps a hand on.
    #[must_use]
    pub fn shared_mails(mut self, mailer: Arc<dyn Mailer>, texts: Arc<dyn MailTexts>) -> Self {
        self.mailing = Some((mailer, texts));
        self
    }

    /// Keeping the secrets of second factors sealed by this. Without it nobody can have one.
    #[must_use]
    pub fn sealer(mut self, sealer: impl Sealer) -> Self {
        self.sealer = Some(Arc::new(sealer));
        self
    }

    /// With sessions that last so long without being refreshed: usually, and where the user asked
    /// to be remembered. 30 and 90 days unless set.
    #[must_use]
    pub fn session_lifetimes(mut self, usual: TimeDelta, remembered: TimeDelta) -> Self {
        self.session_lifetimes = (usual, remembered);
        self
    }

    /// With refresh tokens that can be spent again for so long, for clients whose answer was lost,
    /// as long as nobody has used what was given out for them; 10 seconds unless set. With none, a
    /// second use always ends the session.
    #[must_use]
    pub fn refresh_grace(mut self, grace: TimeDelta) -> Self {
        self.refresh_grace = grace;
        self
    }

    /// With passwords of at least so many characters; [`SHORTEST_PASSWORD`] unless set, and never
    /// fewer.
    #[must_use]
    pub fn shortest_password(mut self, characters: usize) -> Self {
        self.shortest_password = characters.max(SHORTEST_PASSWORD);
        self
    }

    /// Putting up with so much guessing of passwords.
    #[must_use]
    pub fn lockout(mut self, lockout: Lockout) -> Self {
        self.lockout = lockout;
        self
    }

    /// With deleted tenants that an owner can bring back for so long, before
    /// [`System::purge`] removes them for good; 30 days unless set.
    #[must_use]
    pub fn tenant_grace(mut self, grace: TimeDelta) -> Self {
        self.tenant_grace = grace;
        self
    }

    /// With a record type of the host's own; see [`Records`].
    #[must_use]
    pub fn record_type<E: Entity>(mut self) -> Self {
        self.schemas.push(Arc::clone(E::schema()));
        self
    }

    /// Prepares the store.
    ///
    /// # Errors
    /// Where the store is not as the record types declare, or cannot be reached.
    pub async fn build(self) -> Result<Crm> {
        let catalogue = Catalogue::new(product_schemas().into_iter().chain(self.schemas))?;
        self.store.prepare(&catalogue).await?;
        Ok(Crm(Arc::new(Inner {
            store: self.store,
            catalogue,
            clock: self.clock,
            random: self.random,
            hasher: self.hasher,
            sealer: self.sealer,
            keeps_users: self.keeps_users,
            mailing: self.mailing,
            mail_waits: Notify::new(),
            session_lifetimes: self.session_lifetimes,
            refresh_grace: self.refresh_grace,
            shortest_password: self.shortest_password,
            lockout: self.lockout,
            tenant_grace: self.tenant_grace,
            definitions: Lately::default(),
            tenants: Lately::default(),
            vocabularies: Lately::default(),
            staff: Lately::default(),
        })))
    }
}

impl Crm {
    /// A CRM over a store, with the machine's clock and randomness, for a host that keeps its
    /// users itself.
    ///
    /// # Errors
    /// See [`CrmBuilder::build`].
    pub async fn new(store: impl Store) -> Result<Self> {
        Self::builder(store).build().await
    }

    /// Begins to set up a CRM.
    pub fn builder(store: impl Store) -> CrmBuilder {
        Self::builder_on(Arc::new(store))
    }

    /// The same over a store that is shared already.
    pub fn builder_on(store: Arc<dyn Store>) -> CrmBuilder {
        CrmBuilder {
            store,
            schemas: Vec::new(),
            clock: Arc::new(SystemClock),
            random: Arc::new(SystemRandom),
            hasher: None,
            sealer: None,
            keeps_users: false,
            mailing: None,
            session_lifetimes: (TimeDelta::days(30), TimeDelta::days(90)),
            refresh_grace: TimeDelta::seconds(10),
            shortest_password: SHORTEST_PASSWORD,
            lockout: Lockout::default(),
            tenant_grace: TimeDelta::days(30),
        }
    }

    /// The CRM of the actor's tenant, as far as the actor's permissions reach.
    pub fn tenant(&self, actor: Actor) -> TenantCrm {
        TenantCrm { crm: self.clone(), actor }
    }

    /// Work of the installation: making tenants, scheduled jobs. No permission is asked for, so
    /// never hand it to a request.
    pub fn system(&self) -> System {
        System::new(self.clone())
    }

    /// The tenants of a user, where this CRM keeps its users.
    pub fn tenants_of(&self, user: UserId) -> TenantsOf {
        TenantsOf::new(self.clone(), user)
    }

    /// Users and their sessions, where this CRM keeps them.
    pub fn auth(&self) -> Auth {
        Auth::new(self.clone())
    }

    /// Tells the time.
    pub fn clock(&self) -> &dyn Clock {
        &*self.0.clock
    }

    /// An identifier that nothing has yet: for a user whom the host keeps, say.
    pub fn new_id<T: ?Sized>(&self) -> Id<T> {
        Id::new(self.random().uuid(self.clock().now()))
    }

    /// Makes identifiers and secrets.
    pub fn random(&self) -> &dyn Random {
        &*self.0.random
    }

    /// Every record type that this CRM knows.
    pub fn catalogue(&self) -> &Catalogue {
        &self.0.catalogue
    }

    pub(crate) fn hasher(&self) -> Result<&dyn PasswordHasher> {
        self.0
            .hasher
            .as_deref()
            .ok_or_else(|| Error::internal("this CRM keeps no users; see CrmBuilder::users"))
    }

    /// Whether this CRM lets people know by mail.
    pub fn sends_mails(&self) -> bool {
        self.0.mailing.is_some()
    }

    pub(crate) fn mailing(&self) -> Option<(&dyn Mailer, &dyn MailTexts)> {
        self.0.mailing.as_ref().map(|(mailer, texts)| (&**mailer, &**texts))
    }

    /// Woken when a mail was queued.
    pub(crate) fn mail_waits(&self) -> &Notify {
        &self.0.mail_waits
    }

    pub(crate) fn sealer(&self) -> Result<&dyn Sealer> {
        self.0
            .sealer
            .as_deref()
            .ok_or_else(|| Error::internal("this CRM seals nothing; see CrmBuilder::sealer"))
    }

    pub(crate) fn session_lasts(&self, remembered: bool) -> TimeDelta {
        let (usual, longer) = self.0.session_lifetimes;
        if remembered { longer } else { usual }
    }

    pub(crate) fn refresh_grace(&self) -> TimeDelta {
        self.0.refresh_grace
    }

    pub(crate) fn shortest_password(&self) -> usize {
        self.0.shortest_password
    }

    pub(crate) fn lockout(&self) -> Lockout {
        self.0.lockout
    }

    pub(crate) fn tenant_grace(&self) -> TimeDelta {
        self.0.tenant_grace
    }

    pub(crate) fn keeps_users(&self) -> bool {
        self.0.keeps_users
    }

    pub(crate) fn definitions(&self) -> &Lately<[CustomField]> {
        &self.0.definitions
    }

    pub(crate) fn vocabularies(&self) -> &Lately<Vocabulary> {
        &self.0.vocabularies
    }

    pub(crate) fn staff(&self) -> &Lately<Staff> {
        &self.0.staff
    }

    pub(crate) fn tenants(&self) -> &Lately<Tenant> {
        &self.0.tenants
    }

    pub(crate) async fn system_query(&self, query: Query) -> Result<Page<Record>> {
        self.0.store.query(&Scoped::new(Scope::System, query)).await
    }

    /// The same for figures.
    pub(crate) async fn system_aggregate(&self, aggregate: Aggregate) -> Result<Vec<Group>> {
        self.0.store.aggregate(&Scoped::new(Scope::System, aggregate)).await
    }

    /// Records of a tenant, for work of the installation on it.
    pub(crate) async fn tenant_query(
        &self,
        tenant: TenantId,
        query: Query,
    ) -> Result<Page<Record>> {
        self.0.store.query(&Scoped::new(Scope::Tenant(tenant), query)).await
    }

    pub(crate) async fn system_commit(&self, batch: Batch) -> Result<Commit> {
        self.0.store.commit(&Scoped::new(Scope::System, batch)).await
    }
}

/// The CRM of one tenant, as far as one actor's permissions reach.
#[derive(Debug, Clone)]
pub struct TenantCrm {
    crm: Crm,
    actor: Actor,
}

impl TenantCrm {
    /// Who asks.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// The whole CRM.
    pub fn crm(&self) -> &Crm {
        &self.crm
    }

    /// Companies.
    pub fn companies(&self) -> Companies {
        Companies::new(self.clone())
    }

    /// Customers.
    pub fn customers(&self) -> Customers {
        Customers::new(self.clone())
    }

    /// Links between any two records.
    pub fn relations(&self) -> Relations {
        self.records()
    }

    /// The tenant's own kinds of links.
    pub fn relation_kinds(&self) -> RelationKinds {
        self.records()
    }

    /// The tags that the tenant describes its records with.
    pub fn tags(&self) -> Tags {
        self.records()
    }

    /// Who works together, and who manages them.
    pub fn teams(&self) -> Teams {
        self.records()
    }

    /// The definitions of the tenant's own fields.
    pub fn custom_fields(&self) -> CustomFieldDefinitions {
        CustomFieldDefinitions::new(self.clone())
    }

    /// The keys under which the actor's requests happen once.
    pub fn idempotency(&self) -> Idempotency {
        Idempotency::new(self.clone())
    }

    /// The actor's own API keys in the tenant.
    pub fn api_keys(&self) -> ApiKeys {
        ApiKeys::new(self.clone())
    }

    /// The tenant's people: who they are in it, and what they may do.
    pub fn members(&self) -> Members {
        Members::new(self.clone())
    }

    /// Those who are asked to work in the tenant.
    pub fn invitations(&self) -> Invitations {
        Invitations::new(self.clone())
    }

    /// The tenant's roles, the built-in ones and its own.
    pub fn roles(&self) -> Roles {
        Roles::new(self.clone())
    }

    /// The tenant itself: its name and settings.
    pub fn tenant_settings(&self) -> TenantSettings {
        TenantSettings::new(self.clone())
    }

    /// Records of any type that has rules, a host's own ones among them.
    pub fn records<E: Rules>(&self) -> Records<E> {
        Records::new(self.clone())
    }

    /// What an actor asks for, as the actor may see it.
    pub(crate) async fn query(
        &self,
        permission: &crate::access::Permission,
        query: Query,
    ) -> Result<Page<Record>> {
        let schema = Arc::clone(query.schema());
        let mut page = self.query_kept(permission, query).await?;
        self.leave_out(&schema, &mut page.items);
        Ok(page)
    }

    /// The same with what its right to read leaves out, for records that are written again and
    /// not shown as they are.
    pub(crate) async fn query_kept(
        &self,
        permission: &crate::access::Permission,
        query: Query,
    ) -> Result<Page<Record>> {
        let query = custom_fields::question(query, self).await?;
        let schema = Arc::clone(query.schema());
        let mut page = self.query_stored(permission, query).await?;
        custom_fields::hide(&schema, &mut page.items, self).await?;
        Ok(page)
    }

    /// Takes what the actor does not see out of records.
    pub(crate) fn leave_out(&self, schema: &Schema, records: &mut [Record]) {
        if let Some(left_out) = LeftOut::of(&self.actor, schema) {
            records.iter_mut().for_each(|record| *record = left_out.hide(record));
        }
    }

    /// The names of the fields of a record type that the actor can ask nothing by, because its
    /// right to read leaves them out, or what they are made of.
    pub fn left_out(&self, schema: &Schema) -> BTreeSet<String> {
        LeftOut::of(&self.actor, schema).map(|left_out| left_out.names()).unwrap_or_default()
    }

    /// Those of them that are always shown as absent; the tenant's own are not among them.
    pub fn always_absent(&self, schema: &Schema) -> BTreeSet<String> {
        LeftOut::of(&self.actor, schema).map(|left_out| left_out.absent()).unwrap_or_default()
    }

    /// The same as it is stored, for records that are written again by the library alone.
    pub(crate) async fn query_stored(
        &self,
        permission: &crate::access::Permission,
        query: Query,
    ) -> Result<Page<Record>> {
        let scoped = scoping::query(&self.actor, self.crm.catalogue(), permission, query)?;
        self.crm.0.store.query(&scoped).await
    }

    pub(crate) async fn scoped_query(&self, query: &Scoped<Query>) -> Result<Page<Record>> {
        self.crm.0.store.query(query).await
    }

    pub(crate) async fn aggregate(
        &self,
        permission: &crate::access::Permission,
        aggregate: Aggregate,
    ) -> Result<Vec<Group>> {
        let aggregate = custom_fields::questions(aggregate, self).await?;
        let scoped = scoping::aggregate(&self.actor, self.crm.catalogue(), permission, aggregate)?;
        self.crm.0.store.aggregate(&scoped).await
    }

    /// What the rules must see whatever the actor may: whether a tag exists, whether somebody is
    /// a member. Never shown to the actor.
    pub(crate) async fn query_for_rules(&self, query: Query) -> Result<Page<Record>> {
        let scoped = Scoped::new(Scope::Tenant(self.actor.tenant()), query);
        self.crm.0.store.query(&scoped).await
    }

    /// The same for figures.
    pub(crate) async fn aggregate_for_rules(&self, aggregate: Aggregate) -> Result<Vec<Group>> {
        let scoped = Scoped::new(Scope::Tenant(self.actor.tenant()), aggregate);
        self.crm.0.store.aggregate(&scoped).await
    }

    pub(crate) async fn commit(&self, batch: Batch) -> Result<Commit> {
        let scoped = if scoping::is_beyond_the_tenant(&batch) {
            scoping::batch_with_notes(&self.actor, batch)?
        } else {
            scoping::batch(&self.actor, batch)?
        };
        self.crm.0.store.commit(&scoped).await
    }
}
