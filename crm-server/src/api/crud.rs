//! The one controller of all record types: list, get, create, replace, merge, delete, restore.
//!
//! A record type joins by implementing [`Resource`] in its area's file. What the controller does
//! is the same for all; what differs is an action of the area's own, beside it.

mod lists;

use std::future::Future;
use std::marker::PhantomData;

use crm_core::custom_fields::{CustomField, CustomFieldDefinitions};
use crm_core::language::ParameterDescription;
use crm_core::records::{Bulk, Can, Export, How, Outcome, Selection};
use crm_core::store::{Deleted, Filter, Page, Query};
use crm_core::{Draft, Entity, Error, Id, Records, Result, Rules, TenantCrm};
use poem::Request;
use poem_openapi::param::{Path, Query as Parameter};
use poem_openapi::types::Type;
use poem_openapi::{Object, OpenApi};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use uuid::Uuid;

use super::body::{Body, MergePatch};
use super::bulk::{self, BulkInput, BulkUpdateInput, BulkView};
use super::caller::Caller;
use super::envelope::{Created, Listed, Reply};
use super::error::ApiError;
use super::etag;
use super::export::{self, Exported};
use crate::openapi::BASE;

pub use lists::{asked, described, list, listed, parameters, select, within_limits};

/// How often a merge is tried again when somebody else was faster.
const ATTEMPTS: u32 = 5;

/// The expansion that says of each record what the caller may do with it.
pub const CAN: &str = "_can";

/// What the caller may do with a record, as far as permissions decide.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Object)]
#[oai(rename = "Can")]
pub struct CanView {
    /// It may be changed.
    pub update: bool,
    /// It may be deleted.
    pub delete: bool,
}

impl From<Can> for CanView {
    fn from(can: Can) -> Self {
        let Can { update, delete } = can;
        Self { update, delete }
    }
}

/// A record type as the API shows and takes it.
pub trait Resource: Send + Sync + 'static {
    /// The library's type.
    type Entity: Rules;
    /// The library's service of it.
    type Service: Service<Self::Entity>;
    /// What is answered.
    type View: Type + Serialize + Send + Sync + 'static;
    /// What is written: by POST and PUT as a whole, by PATCH in parts.
    type Input: Type + Serialize + DeserializeOwned + Send + 'static;

    /// Where its records are, below the base: `/customers`.
    const PATH: &'static str;
    /// What a list can embed, and embeds unless `expand` says otherwise.
    const EXPANSIONS: &'static [&'static str] = &[CAN];
    /// What of it is embedded only where `expand` asks for it.
    const ON_DEMAND: &'static [&'static str] = &[CAN];
    /// The parameters of its lists that are no fields of its records.
    const PARAMETERS: &'static [&'static str] = &[];

    /// The service, as far as the caller's permissions reach.
    fn service(crm: &TenantCrm) -> Self::Service;
    /// What is answered. Takes the entity apart by its fields, so that none can be forgotten.
    fn view(entity: Self::Entity) -> Self::View;
    /// Where the view says what the caller may do with it.
    fn can(view: &mut Self::View) -> &mut Option<CanView>;
    /// What would be written to get the entity as it is. Takes it apart too.
    fn input(entity: Self::Entity) -> Self::Input;
    /// The version that what is written expects.
    fn expected(input: &Self::Input) -> Option<i64>;
    /// What the library is to store.
    ///
    /// # Errors
    /// Where a value has a form that the library has no type for.
    fn draft(input: Self::Input) -> Result<<Self::Entity as Entity>::Draft>;

    /// Puts what is to be stored in place of an entity's values.
    fn put(draft: <Self::Entity as Entity>::Draft, entity: &mut Self::Entity) {
        draft.replace(entity);
    }

    /// Called when one was written, or brought back.
    fn written(caller: &Caller) {
        let _ = caller;
    }

    /// Those parameters, for the document.
    fn described() -> Vec<ParameterDescription> {
        Vec::new()
    }

    /// The records that those parameters mean.
    ///
    /// # Errors
    /// 400 naming the parameter that cannot be understood.
    fn asked(crm: &TenantCrm, parameters: &[(String, String)]) -> Result<Filter, ApiError> {
        let _ = (crm, parameters);
        Ok(Filter::All)
    }

    /// Says in the views of a list what those parameters make of them.
    ///
    /// # Errors
    /// As [`Resource::asked`].
    fn seen(
        crm: &TenantCrm,
        parameters: &[(String, String)],
        views: &mut [Self::View],
    ) -> Result<(), ApiError> {
        let _ = (crm, parameters, views);
        Ok(())
    }

    /// Embeds what was asked for, with one query for each kind, however many records there are.
    fn expand(
        crm: &TenantCrm,
        views: &mut [Self::View],
        wanted: &[String],
    ) -> impl Future<Output = Result<()>> + Send {
        let _ = (crm, views, wanted);
        async { Ok(()) }
    }
}

/// What the controller needs of a service.
pub trait Service<E: Entity>: Send + Sync {
    /// The part of the records that is asked for.
    fn select(&self, query: Query) -> impl Future<Output = Result<Page<E>>> + Send;
    /// A record.
    fn load(&self, id: Id<E>, deleted: Deleted) -> impl Future<Output = Result<E>> + Send;
    /// Creates one.
    fn create(&self, draft: E::Draft) -> impl Future<Output = Result<E>> + Send;
    /// Replaces one.
    fn replace(
        &self,
        id: Id<E>,
        expected: Option<i64>,
        draft: E::Draft,
    ) -> impl Future<Output = Result<E>> + Send;
    /// Deletes one softly.
    fn delete(&self, id: Id<E>, expected: Option<i64>) -> impl Future<Output = Result<E>> + Send;
    /// Begins to give out all that are asked for.
    fn export(
        &self,
        query: Query,
        most: Option<u64>,
        told: Map<String, Value>,
    ) -> impl Future<Output = Result<Export<E>>> + Send;
    /// Does the same with many.
    fn bulk(
        &self,
        which: Selection<E>,
        what: &Bulk<E>,
        how: How,
    ) -> impl Future<Output = Result<Vec<Outcome<E>>>> + Send;
    /// What may be done with each of these.
    fn can(&self, entities: &[E]) -> impl Future<Output = Result<Vec<Can>>> + Send;
    /// Brings one back.
    fn restore(&self, id: Id<E>, expected: Option<i64>) -> impl Future<Output = Result<E>> + Send;
}

/// Makes services of the library ones of the controller.
macro_rules! services {
    ($([$($entity:ident)?] $service:ty: $of:ty, $records:expr;)*) => {$(
        impl $(<$entity: Rules>)? Service<$of> for $service {
            async fn select(&self, query: Query) -> Result<Page<$of>> {
                let records: fn(&Self) -> &Records<$of> = $records;
                records(self).select(query).await
            }
            async fn load(&self, id: Id<$of>, deleted: Deleted) -> Result<$of> {
                let records: fn(&Self) -> &Records<$of> = $records;
                records(self).load(id, deleted).await
            }
            async fn create(&self, draft: <$of as Entity>::Draft) -> Result<$of> {
                self.create(draft).await
            }
            async fn replace(
                &self,
                id: Id<$of>,
                expected: Option<i64>,
                draft: <$of as Entity>::Draft,
            ) -> Result<$of> {
                self.replace(id, expected, draft).await
            }
            async fn delete(&self, id: Id<$of>, expected: Option<i64>) -> Result<$of> {
                self.delete(id, expected).await
            }
            async fn export(
                &self,
                query: Query,
                most: Option<u64>,
                told: Map<String, Value>,
            ) -> Result<Export<$of>> {
                let records: fn(&Self) -> &Records<$of> = $records;
                records(self).export(query, most, told).await
            }
            async fn bulk(
                &self,
                which: Selection<$of>,
                what: &Bulk<$of>,
                how: How,
            ) -> Result<Vec<Outcome<$of>>> {
                self.bulk(which, what, how).await
            }
            async fn can(&self, entities: &[$of]) -> Result<Vec<Can>> {
                let records: fn(&Self) -> &Records<$of> = $records;
                records(self).can(entities).await
            }
            async fn restore(&self, id: Id<$of>, expected: Option<i64>) -> Result<$of> {
                self.restore(id, expected).await
            }
        }
    )*};
}

services! {
    [E] Records<E>: E, |records| records;
    [] CustomFieldDefinitions: CustomField, |definitions| definitions;
}

/// The controller of a record type.
#[derive(Debug)]
pub struct Crud<R>(PhantomData<fn() -> R>);

impl<R> Default for Crud<R> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

#[OpenApi(prefix_path = R::PATH)]
impl<R: Resource> Crud<R> {
    /// List {records}
    ///
    /// Filtered, searched, sorted, and a part at a time.
    #[oai(path = "/", method = "get")]
    async fn list(&self, caller: Caller, request: &Request) -> Result<Listed<R::View>, ApiError> {
        list::<R>(&caller, &parameters(request)?, &[], Ok).await
    }

    /// Create a {record}
    #[oai(path = "/", method = "post")]
    async fn create(
        &self,
        caller: Caller,
        input: Body<R::Input>,
    ) -> Result<Created<R::View>, ApiError> {
        let entity = R::service(caller.crm()).create(R::draft(input.0)?).await?;
        R::written(&caller);
        let (id, version) = (entity.id(), entity.version());
        let view = view::<R>(&caller, entity).await?;
        Ok(Created::new(view, format!("{BASE}{}/{id}", R::PATH)).version(version))
    }

    /// Get a {record}
    #[oai(path = "/:id", method = "get")]
    async fn get(
        &self,
        caller: Caller,
        id: Path<Uuid>,
        /// What to embed, separated by commas, instead of what is embedded by itself.
        expand: Parameter<Vec<String>>,
    ) -> Result<Reply<R::View>, ApiError> {
        get::<R>(&caller, id.0, &expand.0).await
    }

    /// Replace a {record}
    ///
    /// What is left out is cleared.
    #[oai(path = "/:id", method = "put")]
    async fn replace(
        &self,
        caller: Caller,
        id: Path<Uuid>,
        input: Body<R::Input>,
        request: &Request,
    ) -> Result<Reply<R::View>, ApiError> {
        let expected = etag::expected(request, R::expected(&input.0))?;
        let id = Id::new(id.0);
        let draft = there_first::<R, _>(&caller, id, R::draft(input.0)).await?;
        let entity = R::service(caller.crm()).replace(id, expected, draft).await?;
        R::written(&caller);
        reply::<R>(&caller, entity).await
    }

    /// Change a {record}
    ///
    /// A JSON merge patch (RFC 7396): what is left out stays, null clears.
    #[oai(path = "/:id", method = "patch")]
    async fn merge(
        &self,
        caller: Caller,
        id: Path<Uuid>,
        patch: MergePatch<R::Input>,
        request: &Request,
    ) -> Result<Reply<R::View>, ApiError> {
        let expected = etag::expected(request, patch.version()?)?;
        let entity = merge::<R>(&caller, Id::new(id.0), expected, patch).await?;
        R::written(&caller);
        reply::<R>(&caller, entity).await
    }

    /// Delete a {record}
    ///
    /// It can be restored; references to it stay readable.
    #[oai(path = "/:id", method = "delete")]
    async fn delete(
        &self,
        caller: Caller,
        id: Path<Uuid>,
        request: &Request,
    ) -> Result<Reply<R::View>, ApiError> {
        let expected = etag::expected(request, None)?;
        let entity = R::service(caller.crm()).delete(Id::new(id.0), expected).await?;
        R::written(&caller);
        reply::<R>(&caller, entity).await
    }

    /// Export {records}
    ///
    /// Everything that the list would find under the same filter, search and order, as a file.
    #[oai(path = "/export", method = "get")]
    async fn export(&self, caller: Caller, request: &Request) -> Result<Exported, ApiError> {
        export::export::<R>(caller, request).await
    }

    /// Delete many {records}
    ///
    /// Each as if it were deleted alone; the answer says what became of each.
    #[oai(path = "/bulk/delete", method = "post")]
    async fn bulk_delete(
        &self,
        caller: Caller,
        input: Body<BulkInput>,
    ) -> Result<Reply<BulkView>, ApiError> {
        bulk::delete::<R>(&caller, input.0).await
    }

    /// Change many {records}
    ///
    /// Each as if it were changed alone, by the same JSON merge patch; the answer says what became
    /// of each.
    #[oai(path = "/bulk/update", method = "post")]
    async fn bulk_update(
        &self,
        caller: Caller,
        input: Body<BulkUpdateInput>,
    ) -> Result<Reply<BulkView>, ApiError> {
        bulk::update::<R>(&caller, input.0).await
    }

    /// Restore a deleted {record}
    #[oai(path = "/:id/restore", method = "post")]
    async fn restore(
        &self,
        caller: Caller,
        id: Path<Uuid>,
        request: &Request,
    ) -> Result<Reply<R::View>, ApiError> {
        let expected = etag::expected(request, None)?;
        let entity = R::service(caller.crm()).restore(Id::new(id.0), expected).await?;
        R::written(&caller);
        reply::<R>(&caller, entity).await
    }
}

/// The views of records, with what is to be embedded: everything unless `expand` says otherwise.
///
/// # Errors
/// 400 where that cannot be embedded; as the services'.
pub async fn views<R: Resource>(
    caller: &Caller,
    entities: Vec<R::Entity>,
    expand: Option<&[String]>,
) -> Result<Vec<R::View>, ApiError> {
    let wanted = wanted::<R>(expand)?;
    Ok(shown::<R>(caller.crm(), entities, &wanted).await?)
}

/// The views of records, with what is wanted of what can be embedded.
///
/// # Errors
/// As the services'.
pub async fn shown<R: Resource>(
    crm: &TenantCrm,
    entities: Vec<R::Entity>,
    wanted: &[String],
) -> Result<Vec<R::View>> {
    let can = match wanted.iter().any(|name| name == CAN) {
        true => R::service(crm).can(&entities).await?,
        false => Vec::new(),
    };
    let mut views: Vec<R::View> = entities.into_iter().map(R::view).collect();
    for (view, can) in views.iter_mut().zip(can) {
        *R::can(view) = Some(can.into());
    }
    R::expand(crm, &mut views, wanted).await?;
    Ok(views)
}

/// One record, with what is to be embedded: everything unless `expand` says otherwise.
///
/// # Errors
/// 400 where that cannot be embedded; as the services'.
pub async fn get<R: Resource>(
    caller: &Caller,
    id: Uuid,
    expand: &[String],
) -> Result<Reply<R::View>, ApiError> {
    let given = expand.iter().flat_map(|text| text.split(',')).map(str::trim);
    let given = given.filter(|name| !str::is_empty(name)).map(str::to_owned).collect();
    let expand: Option<Vec<String>> = (!expand.is_empty()).then_some(given);
    // Before the store is asked: what cannot be embedded is a fault of the request.
    wanted::<R>(expand.as_deref())?;
    let entity = R::service(caller.crm()).load(Id::new(id), Deleted::Exclude).await?;
    let version = entity.version();
    let views = views::<R>(caller, vec![entity], expand.as_deref()).await?;
    let view = views.into_iter().next().ok_or_else(|| Error::internal("a view is missing"))?;
    Ok(Reply::new(view).version(version))
}

/// The view of one record, with what is embedded by itself.
///
/// # Errors
/// As the services'.
pub async fn view<R: Resource>(caller: &Caller, entity: R::Entity) -> Result<R::View, ApiError> {
    let mut views = [R::view(entity)];
    R::expand(caller.crm(), &mut views, &wanted::<R>(None)?).await?;
    let [view] = views;
    Ok(view)
}

/// What a body was read as. Where it cannot be, a record that is not there is told of first, as
/// where the library reads it.
///
/// # Errors
/// As the services'; what is wrong with the body.
pub async fn there_first<R: Resource, T>(
    caller: &Caller,
    id: Id<R::Entity>,
    read: Result<T>,
) -> Result<T, ApiError> {
    if let Err(Error::Invalid(_)) = &read {
        R::service(caller.crm()).load(id, Deleted::Exclude).await?;
    }
    Ok(read?)
}

/// The answer with one record in it.
///
/// # Errors
/// As the services'.
pub async fn reply<R: Resource>(
    caller: &Caller,
    entity: R::Entity,
) -> Result<Reply<R::View>, ApiError> {
    let version = entity.version();
    Ok(Reply::new(view::<R>(caller, entity).await?).version(version))
}

/// Applies a merge patch to a record as it is now. Without a version expected, it is tried again
/// where somebody else was faster.
///
/// # Errors
/// 400 where the result cannot be read; as the services'.
pub async fn merge<R: Resource>(
    caller: &Caller,
    id: Id<R::Entity>,
    expected: Option<i64>,
    patch: MergePatch<R::Input>,
) -> Result<R::Entity, ApiError> {
    let service = &R::service(caller.crm());
    let read = || async move {
        let before = service.load(id, Deleted::Exclude).await?;
        Ok((before.version(), R::input(before)))
    };
    let write =
        |version, input| async move { service.replace(id, Some(version), R::draft(input)?).await };
    merged(expected, patch, read, write).await
}

/// Applies a merge patch to what is read with its version, and writes what comes of it at that
/// version. Without a version expected, it is tried again where somebody else was faster.
///
/// # Errors
/// 400 where the result cannot be read; as what reads and writes.
pub async fn merged<I, T, Reading, Writing>(
    expected: Option<i64>,
    patch: MergePatch<I>,
    read: impl Fn() -> Reading + Send,
    write: impl Fn(i64, I) -> Writing + Send,
) -> Result<T, ApiError>
where
    I: Type + Serialize + DeserializeOwned + Send,
    Reading: Future<Output = Result<(i64, I)>> + Send,
    Writing: Future<Output = Result<T>> + Send,
{
    let mut attempt = 1;
    loop {
        let (version, current) = read().await?;
        let current = serde_json::to_value(current).map_err(Error::internal)?;
        let input = patch.clone().apply(current)?;
        match write(expected.unwrap_or(version), input).await {
            Err(Error::Stale { .. }) if expected.is_none() && attempt < ATTEMPTS => attempt += 1,
            result => return Ok(result?),
        }
    }
}

fn wanted<R: Resource>(asked: Option<&[String]>) -> Result<Vec<String>, ApiError> {
    let Some(asked) = asked else {
        let by_itself = R::EXPANSIONS.iter().filter(|name| !R::ON_DEMAND.contains(name));
        return Ok(by_itself.map(|name| (*name).to_owned()).collect());
    };
    match asked.iter().find(|name| !R::EXPANSIONS.contains(&name.as_str())) {
        None => Ok(asked.to_vec()),
        Some(unknown) => {
            let known = R::EXPANSIONS.join(", ");
            let message = format!("expected some of [{known}], got {unknown:?}");
            Err(ApiError::unreadable("expand", "UNKNOWN_EXPANSION", message))
        }
    }
}
