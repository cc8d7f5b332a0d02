//! Lists: what a request asks for, within the server's limits, and what is answered.

use std::sync::Arc;

use crm_core::language::{ListRequest, ParameterDescription, describe, parse_list};
use crm_core::store::Page;
use crm_core::{Entity, Result};
use poem::Request;

use super::{Resource, Service, views, wanted};
use crate::api::caller::Caller;
use crate::api::envelope::{Listed, Meta};
use crate::api::error::ApiError;
use crate::api::known::Known;
use crate::config::Limits;

/// The decoded parameters of a request's query.
///
/// # Errors
/// 400 naming the parameter whose octets are no UTF-8: it would be looked for as something else.
pub fn parameters(request: &Request) -> Result<Vec<(String, String)>, ApiError> {
    let query = request.uri().query().unwrap_or_default();
    let each = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        match (String::from_utf8(octets(name)), String::from_utf8(octets(value))) {
            (Ok(name), Ok(value)) => Ok((name, value)),
            _ => {
                Err(ApiError::unreadable(name, "INVALID_TEXT", "expected UTF-8, got other octets"))
            }
        }
    };
    // Named in full: schema types have an `is_empty` of their own, which is always false for texts.
    query.split('&').filter(|pair| !str::is_empty(pair)).map(each).collect()
}

/// What a part of a query stands for. A percent sign without two hexadecimal digits behind it is
/// itself, as it is for browsers.
fn octets(text: &str) -> Vec<u8> {
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        rest = behind;
        let digit = |at: usize| char::from(*behind.get(at)?).to_digit(16);
        octets.push(match (first, digit(0).zip(digit(1))) {
            (b'+', _) => b' ',
            (b'%', Some((high, low))) => {
                rest = behind.get(2..).unwrap_or_default();
                u8::try_from(high * 16 + low).unwrap_or_default()
            }
            (other, _) => *other,
        });
    }
    octets
}

/// What a request for a list asks for, within the server's limits. `reserved` parameters are the
/// caller's own to read.
///
/// # Errors
/// 400 naming the parameter that cannot be understood.
pub async fn asked<R: Resource>(
    caller: &Caller,
    parameters: &[(String, String)],
    reserved: &[&str],
) -> Result<ListRequest, ApiError> {
    let schema = R::Entity::schema();
    let known = Known::about(caller.crm(), schema, parameters).await?;
    let reserved = [reserved, R::PARAMETERS].concat();
    let mut asked = parse_list(schema, &known, parameters, &reserved)?;
    asked.filter = asked.filter.and(R::asked(caller.crm(), parameters)?);
    within_limits(caller.limits(), &asked)?;
    Ok(asked)
}

/// That a list asks for no more at once than the server gives.
///
/// # Errors
/// 400 naming the parameter.
pub fn within_limits(limits: &Limits, asked: &ListRequest) -> Result<(), ApiError> {
    let most = limits.filter_terms;
    if asked.filter.terms() > most {
        let message = format!("expected at most {most} conditions: limits.filter_terms");
        return Err(ApiError::unreadable("filter", "FILTER_TOO_COMPLEX", message));
    }
    let most = limits.page;
    if asked.window.limit() > most {
        let message = format!("expected at most {most}: limits.page");
        return Err(ApiError::unreadable("limit", "OUT_OF_RANGE", message));
    }
    Ok(())
}

/// The list of what the parameters ask for, after `adjust` had a look.
///
/// # Errors
/// 400 naming the parameter that cannot be understood; 403.
pub async fn list<R: Resource>(
    caller: &Caller,
    parameters: &[(String, String)],
    reserved: &[&str],
    adjust: impl FnOnce(ListRequest) -> Result<ListRequest> + Send,
) -> Result<Listed<R::View>, ApiError> {
    let asked = adjust(asked::<R>(caller, parameters, reserved).await?)?;
    let mut listed = listed::<R>(caller, asked).await?;
    R::seen(caller.crm(), parameters, listed.items_mut())?;
    Ok(listed)
}

/// The list of what is asked for.
///
/// # Errors
/// As the services'.
pub async fn listed<R: Resource>(
    caller: &Caller,
    asked: ListRequest,
) -> Result<Listed<R::View>, ApiError> {
    let (page, limit) = (asked.page(), asked.window.limit());
    let expand = asked.expand.clone();
    // Before the store is asked: what cannot be embedded is a fault of the request.
    wanted::<R>(expand.as_deref())?;
    let found = select::<R>(caller, asked).await?;
    let meta = Meta::new(page, limit, found.total, found.next.as_ref());
    Ok(Listed::new(views::<R>(caller, found.items, expand.as_deref()).await?, meta))
}

/// The records that are asked for.
///
/// # Errors
/// As the services'.
pub async fn select<R: Resource>(
    caller: &Caller,
    asked: ListRequest,
) -> Result<Page<R::Entity>, ApiError> {
    let query = asked.into_query(Arc::clone(R::Entity::schema()))?;
    Ok(R::service(caller.crm()).select(query).await?)
}

/// The parameters of a resource's list, for the document.
pub fn described<R: Resource>() -> (&'static str, Vec<ParameterDescription>) {
    let mut parameters = R::described();
    parameters.extend(describe(R::Entity::schema()));
    parameters.retain(|parameter| parameter.name != "expand" || !R::EXPANSIONS.is_empty());
    for parameter in parameters.iter_mut().filter(|parameter| parameter.name == "expand") {
        parameter.choices = Some(R::EXPANSIONS);
    }
    (R::PATH, parameters)
}
