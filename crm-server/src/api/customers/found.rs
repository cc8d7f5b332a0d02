//! Search results, best match first.
//!
//! The store finds, it does not judge. The first thousand that match, in the order of their
//! names, are ordered here by how well they match; whatever lies behind them keeps that order.

use std::cmp::Reverse;

use crm_core::Entity;
use crm_core::customers::Customer;
use crm_core::store::{Value, Window, fold, words};

use super::{CustomerResource, CustomerView, by_name};
use crate::api::caller::Caller;
use crate::api::crud;
use crate::api::envelope::{Listed, Meta};
use crate::api::error::ApiError;

/// How many are judged.
const JUDGED: u32 = 1_000;

pub(super) async fn best_first(
    caller: &Caller,
    parameters: &[(String, String)],
) -> Result<Listed<CustomerView>, ApiError> {
    let mut asked = crud::asked::<CustomerResource>(caller, parameters, &[]).await?;
    let Window::Page { offset, limit } = asked.window else {
        return crud::listed::<CustomerResource>(caller, asked).await;
    };
    if !asked.sort.is_empty() {
        return crud::listed::<CustomerResource>(caller, asked).await;
    }
    // Whoever does not see all that a name is made of is given no order by it.
    if !caller.crm().left_out(Customer::schema()).contains("name") {
        asked.sort = by_name()?;
    }
    // Whole pages only, so that none straddles the two orders.
    let judged = JUDGED / limit * limit;
    if offset >= u64::from(judged) {
        return crud::listed::<CustomerResource>(caller, asked).await;
    }
    let page = asked.page();
    let searched = words(asked.search.as_deref().unwrap_or_default());
    let expand = asked.expand.clone();
    asked.window = Window::Page { offset: 0, limit: judged };
    let mut found = crud::select::<CustomerResource>(caller, asked).await?;
    found.items.sort_by_cached_key(|customer| Reverse(score(customer, &searched)));
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let items: Vec<Customer> = found.items.into_iter().skip(start).take(limit as usize).collect();
    let meta = Meta::new(page, limit, found.total, None);
    let views = crud::views::<CustomerResource>(caller, items, expand.as_deref()).await?;
    Ok(Listed::new(views, meta))
}

/// How well a customer matches: for each word, the best place at which it stands.
fn score(customer: &Customer, words: &[String]) -> u32 {
    let named = [
        &customer.company_name,
        &customer.contact_name,
        &customer.first_name,
        &customer.last_name,
        &customer.email,
    ];
    let own = customer.custom_fields.iter().filter_map(|(_, value)| match value {
        Value::Text(text) => Some(text),
        _ => None,
    });
    let texts: Vec<String> = std::iter::once(&customer.name)
        .chain(named.into_iter().flatten())
        .chain(own)
        .map(|text| fold(text))
        .collect();
    words.iter().map(|word| texts.iter().map(|text| place(text, word)).max().unwrap_or(0)).sum()
}

fn place(text: &str, word: &str) -> u32 {
    if text == word {
        8
    } else if text.starts_with(word) {
        4
    } else if text.split(|c: char| !c.is_alphanumeric()).any(|part| part == word) {
        3
    } else if text.split(|c: char| !c.is_alphanumeric()).any(|part| part.starts_with(word)) {
        2
    } else {
        u32::from(text.contains(word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_beats_the_beginning_beats_a_word_beats_a_part() {
        let places = ["ada", "adamant", "lovelace ada", "van adam", "canada", "babbage"];
        let scores: Vec<u32> = places.iter().map(|text| place(text, "ada")).collect();
        assert_eq!(scores, [8, 4, 3, 2, 1, 0]);
    }
}
