//! The derive macros of `crm-core`, which re-exports and documents them: use them from there.
//!
//! A declaration's faults are compile errors at the word at fault: those that the tokens show are
//! found in `declaration`, those that only the types show become constant assertions. The
//! expansion names everything by its full path under `::crm_core` and `::std`, so that it works
//! in any module of any crate that depends on `crm-core`.

mod choice;
mod declaration;
mod entity;
mod names;
#[cfg(test)]
mod tests;

use proc_macro::TokenStream;
use syn::{DeriveInput, parse_macro_input};

#[expect(missing_docs, reason = "documented where crm-core re-exports it, with a running example")]
#[proc_macro_derive(Entity, attributes(entity))]
pub fn derive_entity(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    entity::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

#[expect(missing_docs, reason = "documented where crm-core re-exports it, with a running example")]
#[proc_macro_derive(Choice, attributes(choice))]
pub fn derive_choice(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    choice::expand(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
