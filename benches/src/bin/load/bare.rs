//! The least that could answer the same requests: poem, sqlx, the statements written by hand. No
//! tokens, no permissions, no checks, no envelope.

use std::io::Write;

use crm_benches::Result;
use crm_benches::by_hand::{ByHand, Customer};
use crm_benches::database::by_hand_pool;
use crm_core::customers::CustomerDraft;
use poem::listener::TcpAcceptor;
use poem::web::{Data, Json, Path};
use poem::{EndpointExt, Route, Server, get, handler};
use serde::Deserialize;
use uuid::Uuid;

/// As many connections as the server has for tenants' requests.
const CONNECTIONS: u32 = 8;

/// Answers requests until it is stopped; says where it listens.
pub(crate) async fn serve(url: &str, tenant: Uuid) -> Result<()> {
    let pool = by_hand_pool(url, CONNECTIONS)?;
    let app = Route::new()
        .at("/customers", get(list).post(create))
        .at("/customers/:id", get(one))
        .data(ByHand::new(pool, tenant, tenant));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    writeln!(std::io::stdout(), "{}", listener.local_addr()?)?;
    Server::new_with_acceptor(TcpAcceptor::from_tokio(listener)?).run(app).await?;
    Ok(())
}

fn failed(error: Box<dyn std::error::Error + Send + Sync>) -> poem::Error {
    poem::Error::from_string(error.to_string(), poem::http::StatusCode::INTERNAL_SERVER_ERROR)
}

#[handler]
async fn one(Path(id): Path<Uuid>, by_hand: Data<&ByHand>) -> poem::Result<Json<Customer>> {
    let found = by_hand.get(id).await.map_err(failed)?;
    found.map(Json).ok_or_else(|| poem::Error::from_status(poem::http::StatusCode::NOT_FOUND))
}

#[handler]
async fn list(by_hand: Data<&ByHand>) -> poem::Result<Json<Vec<Customer>>> {
    by_hand.list().await.map(Json).map_err(failed)
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewCustomer {
    company_name: Option<String>,
    contact_name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    website: Option<String>,
    address: Option<String>,
    city: Option<String>,
    postal_code: Option<String>,
    country: Option<String>,
    industry: Option<String>,
    employee_count: Option<i64>,
    currency: Option<String>,
    notes: Option<String>,
}

#[handler]
async fn create(
    Json(new): Json<NewCustomer>,
    by_hand: Data<&ByHand>,
) -> poem::Result<poem::Response> {
    let draft = CustomerDraft {
        company_name: new.company_name,
        contact_name: new.contact_name,
        email: new.email,
        phone: new.phone,
        website: new.website,
        address: new.address,
        city: new.city,
        postal_code: new.postal_code,
        country: new.country,
        industry: new.industry,
        employee_count: new.employee_count,
        currency: new.currency,
        notes: new.notes,
        ..CustomerDraft::default()
    };
    let created = by_hand.create(draft).await.map_err(failed)?;
    let response = poem::IntoResponse::into_response(Json(created));
    Ok(poem::IntoResponse::into_response(poem::IntoResponse::with_status(
        response,
        poem::http::StatusCode::CREATED,
    )))
}
