//! `#[derive(Choice)]`: an enumeration and its codes.

use proc_macro2::{Ident, TokenStream};
use quote::quote;
use syn::ext::IdentExt;
use syn::{Data, DeriveInput, Error, Fields, LitStr, Result, Variant};

use crate::names::snake_case;

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let Data::Enum(data) = &input.data else {
        return Err(Error::new_spanned(&input.ident, "a choice is an enumeration"));
    };
    if !input.generics.params.is_empty() {
        return Err(Error::new_spanned(&input.generics, "a choice has no parameters"));
    }
    if data.variants.is_empty() {
        return Err(Error::new_spanned(&input.ident, "a choice has something to choose from"));
    }
    let mut codes: Vec<String> = Vec::with_capacity(data.variants.len());
    for variant in &data.variants {
        let code = code(variant)?;
        if codes.contains(&code) {
            let message = format!("another variant has the code {code:?} as well");
            return Err(Error::new_spanned(variant, message));
        }
        codes.push(code);
    }
    let variants: Vec<&Ident> = data.variants.iter().map(|variant| &variant.ident).collect();
    let ident = &input.ident;
    Ok(quote! {
        #[automatically_derived]
        impl ::crm_core::entity::Choice for #ident {
            const ALL: &'static [Self] = &[#(Self::#variants),*];
            fn code(self) -> &'static str {
                match self { #(Self::#variants => #codes),* }
            }
            fn from_code(code: &str) -> ::core::option::Option<Self> {
                match code {
                    #(#codes => ::core::option::Option::Some(Self::#variants),)*
                    _ => ::core::option::Option::None,
                }
            }
        }
        #[automatically_derived]
        impl ::crm_core::entity::FieldType for #ident {
            const KIND: ::crm_core::store::Kind = ::crm_core::store::Kind::Code;
            const CHOICES: ::core::option::Option<&'static [&'static str]> =
                ::core::option::Option::Some(&[#(#codes),*]);
            type Plain = Self;
            fn into_value(self) -> ::crm_core::store::Value {
                ::crm_core::derive_support::code_value(self)
            }
            fn from_value(value: ::crm_core::store::Value) -> ::core::option::Option<Self> {
                ::crm_core::derive_support::choice_of_value(value)
            }
        }
        #[automatically_derived]
        impl ::core::fmt::Display for #ident {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                f.pad(::crm_core::entity::Choice::code(*self))
            }
        }
        #[automatically_derived]
        impl ::core::str::FromStr for #ident {
            type Err = ::crm_core::Error;
            fn from_str(code: &str) -> ::crm_core::Result<Self> {
                ::crm_core::derive_support::parse_choice(code)
            }
        }
        #[automatically_derived]
        impl ::crm_core::derive_support::serde::Serialize for #ident {
            fn serialize<S: ::crm_core::derive_support::serde::Serializer>(
                &self,
                serializer: S,
            ) -> ::core::result::Result<S::Ok, S::Error> {
                serializer.serialize_str(::crm_core::entity::Choice::code(*self))
            }
        }
        #[automatically_derived]
        impl<'de> ::crm_core::derive_support::serde::Deserialize<'de> for #ident {
            fn deserialize<D: ::crm_core::derive_support::serde::Deserializer<'de>>(
                deserializer: D,
            ) -> ::core::result::Result<Self, D::Error> {
                ::crm_core::derive_support::deserialize_choice(deserializer)
            }
        }
    })
}

fn code(variant: &Variant) -> Result<String> {
    if !matches!(variant.fields, Fields::Unit) {
        return Err(Error::new_spanned(&variant.fields, "a variant of a choice has no fields"));
    }
    let mut renamed: Option<LitStr> = None;
    for attribute in variant.attrs.iter().filter(|a| a.path().is_ident("choice")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("code") {
                return Err(meta.error("expected code"));
            }
            let code: LitStr = meta.value()?.parse()?;
            if code.value().is_empty() || code.value().contains('\0') {
                return Err(Error::new_spanned(code, "a code is not empty and has no NUL"));
            }
            match renamed.replace(code) {
                None => Ok(()),
                Some(_) => Err(meta.error("is said a second time")),
            }
        })?;
    }
    Ok(match renamed {
        Some(code) => code.value(),
        None => snake_case(&variant.ident.unraw().to_string()),
    })
}
