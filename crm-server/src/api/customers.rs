//! Customers: what the generic controller does, and their own actions beside it.

mod found;
mod many;
mod stats;
mod view;

use crm_core::customers::{Customer, CustomerStatus};
use crm_core::language::ParameterDescription;
use crm_core::store::Sort;
use crm_core::{Error, Id};
use poem::Request;
use poem_openapi::OpenApi;
use poem_openapi::param::Path;
use uuid::Uuid;

use super::body::Body;
use super::bulk::BulkView;
use super::caller::Caller;
use super::crud::{self, Resource, parameters};
use super::envelope::{Listed, Reply};
use super::error::ApiError;
use super::{etag, figures};

pub use many::{BulkAssignInput, BulkTagInput};
pub use stats::CustomerStatsView;
pub use view::{CustomerInput, CustomerResource, CustomerView};

/// What customers have beside the usual.
#[derive(Debug, Clone, Copy)]
pub struct CustomersApi;

#[OpenApi(prefix_path = "/customers")]
impl CustomersApi {
    /// Search customers, best match first
    ///
    /// `q` is what is searched for; everything else is as in the list of customers.
    #[oai(path = "/search", method = "get")]
    async fn search(
        &self,
        caller: Caller,
        request: &Request,
    ) -> Result<Listed<CustomerView>, ApiError> {
        let mut parameters = parameters(request)?;
        for (name, _) in &mut parameters {
            if name == "q" {
                "search".clone_into(name);
            }
        }
        if !parameters.iter().any(|(name, value)| name == "search" && !value.trim().is_empty()) {
            return Err(ApiError::unreadable("q", "REQUIRED", "expected what to search for"));
        }
        found::best_first(&caller, &parameters).await
    }

    /// List the customers in which one is owner, coach, closer or setter
    #[oai(path = "/mine", method = "get")]
    async fn mine(
        &self,
        caller: Caller,
        request: &Request,
    ) -> Result<Listed<CustomerView>, ApiError> {
        let mine = caller.crm().customers().is_mine();
        crud::list::<CustomerResource>(&caller, &parameters(request)?, &[], |mut asked| {
            asked.filter = asked.filter.and(mine.into_filter());
            Ok(asked)
        })
        .await
    }

    /// Get figures over customers
    ///
    /// Of those that the parameters of the list ask for; over the tenant's own fields where
    /// `customFields` names them.
    #[oai(path = "/stats", method = "get")]
    async fn stats(
        &self,
        caller: Caller,
        request: &Request,
    ) -> Result<Reply<CustomerStatsView>, ApiError> {
        let (these, own) = figures::asked::<CustomerResource>(&caller, request).await?;
        let stats = caller.crm().customers().stats_with(these, &own).await?;
        Ok(Reply::new(stats.into()))
    }

    /// Assign many customers to somebody, or to nobody
    ///
    /// Each as if it were changed alone; the answer says what became of each.
    #[oai(path = "/bulk/assign", method = "post")]
    async fn bulk_assign(
        &self,
        caller: Caller,
        input: Body<BulkAssignInput>,
    ) -> Result<Reply<BulkView>, ApiError> {
        many::assign(&caller, input.0).await
    }

    /// Add tags to many customers, take tags from them, or put others in their place
    ///
    /// Each as if it were changed alone; the answer says what became of each.
    #[oai(path = "/bulk/tag", method = "post")]
    async fn bulk_tag(
        &self,
        caller: Caller,
        input: Body<BulkTagInput>,
    ) -> Result<Reply<BulkView>, ApiError> {
        many::tag(&caller, input.0).await
    }

    /// Activate a customer
    #[oai(path = "/:id/activate", method = "post")]
    async fn activate(
        &self,
        caller: Caller,
        id: Path<Uuid>,
        request: &Request,
    ) -> Result<Reply<CustomerView>, ApiError> {
        set_status(&caller, id.0, request, CustomerStatus::Active).await
    }

    /// Deactivate a customer
    #[oai(path = "/:id/deactivate", method = "post")]
    async fn deactivate(
        &self,
        caller: Caller,
        id: Path<Uuid>,
        request: &Request,
    ) -> Result<Reply<CustomerView>, ApiError> {
        set_status(&caller, id.0, request, CustomerStatus::Inactive).await
    }
}

async fn set_status(
    caller: &Caller,
    id: Uuid,
    request: &Request,
    status: CustomerStatus,
) -> Result<Reply<CustomerView>, ApiError> {
    let expected = etag::expected(request, None)?;
    let service = CustomerResource::service(caller.crm());
    let change = move |customer: &mut Customer| customer.status = status;
    let customer = service.change(Id::new(id), expected, change).await?;
    crud::reply::<CustomerResource>(caller, customer).await
}

/// The lists of customers beside the usual one, each with its path and its parameters.
pub fn lists() -> Vec<(&'static str, Vec<ParameterDescription>)> {
    let (_, all) = crud::described::<CustomerResource>();
    let searched = all.iter().cloned().map(|parameter| {
        if parameter.name != "search" {
            return parameter;
        }
        ParameterDescription { name: "q".to_owned(), ..parameter }
    });
    vec![
        ("/customers/search", searched.collect()),
        ("/customers/stats", figures::described::<CustomerResource>()),
        ("/customers/mine", all),
    ]
}

/// By name, for lists that have no order of their own.
fn by_name() -> Result<Vec<Sort>, Error> {
    Ok(vec![Sort::ascending(Customer::NAME.path())])
}
