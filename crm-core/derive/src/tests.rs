//! What the macros refuse, and what they say.

use proc_macro2::TokenStream;
use syn::{DeriveInput, parse_quote};

fn refusal(input: &DeriveInput) -> String {
    crate::entity::expand(input).expect_err("is refused").to_string()
}

// A struct with these attributes, and this field behind the library's own.
fn entity(attributes: TokenStream, field: TokenStream) -> DeriveInput {
    parse_quote! {
        #attributes
        struct Note {
            id: crm_core::Id<Note>,
            version: i64,
            created_at: DateTime<Utc>,
            updated_at: chrono::DateTime<chrono::Utc>,
            deleted_at: Option<DateTime<Utc>>,
            #field
        }
    }
}

#[test]
fn a_complete_declaration_is_accepted() {
    let right = entity(
        parse_quote!(#[entity(name = "notes", global, owners(nobody))]),
        parse_quote!(#[entity(filter, sort)] title: String),
    );
    assert!(crate::entity::expand(&right).is_ok());
}

#[test]
fn nothing_that_matters_is_left_unsaid() {
    for (attributes, message) in [
        (parse_quote!(#[entity(tenant, owners(nobody))]), "say what its records are called"),
        (parse_quote!(#[entity(name = "notes", owners(nobody))]), "say whose its records are"),
        (parse_quote!(#[entity(name = "notes", tenant)]), "say who owns its records"),
        (parse_quote!(#[entity(name = "notes", tenant, owners())]), "unexpected end of input"),
    ] {
        let refusal = refusal(&entity(attributes, parse_quote!()));
        assert!(refusal.starts_with(message), "{refusal}");
    }
}

#[test]
fn a_declaration_does_not_contradict_itself() {
    for (attributes, message) in [
        (parse_quote!(#[entity(name = "notes", tenant, global, owners(nobody))]), "is said a"),
        (parse_quote!(#[entity(name = "a", name = "b")]), "is said a second time"),
        (parse_quote!(#[entity(owners(nobody, everybody))]), "contradicts what was said"),
        (parse_quote!(#[entity(owners(creator(title), assigned(title)))]), "contradicts what"),
        (parse_quote!(#[entity(owners(someone))]), "expected nobody, everybody"),
        (parse_quote!(#[entity(owners(through(id, title)))]), "expected the name of one field"),
        (parse_quote!(#[entity(name = "Notes")]), "expected snake case"),
        (parse_quote!(#[entity(searchable)]), "expected name, tenant, global"),
        (parse_quote!(#[entity(index())]), "expected the names of fields"),
        (parse_quote!(#[entity(unique(fields(title)))]), "expected unique(name"),
        (parse_quote!(#[entity(unique(title))]), "expected name or fields"),
        (
            parse_quote!(#[entity(name = "notes", tenant, owners(nobody), index(titel))]),
            "there is no field titel",
        ),
        (
            parse_quote!(#[entity(name = "notes", tenant, owners(through(title)))]),
            "title references no record",
        ),
        (
            parse_quote!(#[entity(
                name = "notes",
                tenant,
                owners(nobody),
                unique(name = "a", fields(id)),
                unique(name = "a", fields(version)),
            )]),
            "this unique key is declared twice",
        ),
    ] {
        let refusal = refusal(&entity(attributes, parse_quote!(title: String)));
        assert!(refusal.starts_with(message), "{refusal}");
    }
}

#[test]
fn a_field_says_only_what_a_field_can_say() {
    for (field, message) in [
        (parse_quote!(#[entity(filterable)] title: String), "expected filter, sort, search"),
        (parse_quote!(#[entity(filter, filter)] title: String), "is said a second time"),
        (parse_quote!(#[entity(scale = 7)] price: Decimal), "a scale is at most 6"),
        (parse_quote!(#[entity(scale = 2, code)] price: Decimal), "a code has no scale"),
        (parse_quote!(#[entity(rename = "the_title")] title: String), "the field's name must be"),
        (parse_quote!(#[entity(rename = "version")] title: String), "another field is called"),
        (parse_quote!(#[entity(references = "Users")] user: Id<User>), "expected snake case"),
    ] {
        let refusal = refusal(&entity(
            parse_quote!(#[entity(name = "notes", tenant, owners(nobody))]),
            field,
        ));
        assert!(refusal.starts_with(message), "{refusal}");
    }
}

#[test]
fn the_librarys_own_fields_come_first() {
    let missing: DeriveInput = parse_quote! {
        struct Note { id: Id<Self>, version: i64, created_at: DateTime<Utc> }
    };
    assert_eq!(refusal(&missing), "expected `updated_at: DateTime<Utc>` as field 4 of an entity");
    let misplaced: DeriveInput = parse_quote! {
        struct Note { id: Id<Self>, title: String }
    };
    assert_eq!(refusal(&misplaced), "expected `version: i64` as field 2 of an entity");
    let mistyped: DeriveInput = parse_quote! {
        struct Note { id: Id<Other>, version: i64 }
    };
    assert_eq!(refusal(&mistyped), "expected `id: Id<Note>` as field 1 of an entity");
    let marked: DeriveInput = parse_quote! {
        struct Note {
            #[entity(filter)]
            id: Id<Self>,
            version: i64,
            created_at: DateTime<Utc>,
            updated_at: DateTime<Utc>,
            deleted_at: Option<DateTime<Utc>>,
        }
    };
    assert!(refusal(&marked).starts_with("this field is the library's own"));
}

#[test]
fn an_entity_is_a_plain_struct_with_named_fields() {
    let tuple: DeriveInput = parse_quote!(
        struct Note(i64);
    );
    assert_eq!(refusal(&tuple), "an entity has named fields");
    let choice: DeriveInput = parse_quote!(
        enum Note {
            A,
        }
    );
    assert_eq!(refusal(&choice), "an entity is a struct");
    let generic: DeriveInput = parse_quote!(
        struct Note<T> {
            id: T,
        }
    );
    assert_eq!(refusal(&generic), "an entity has no parameters");
}

#[test]
fn a_choice_is_an_enumeration_of_bare_variants_with_codes_of_their_own() {
    let inputs: [(DeriveInput, &str); 7] = [
        (
            parse_quote!(
                struct Status;
            ),
            "a choice is an enumeration",
        ),
        (
            parse_quote!(
                enum Status<T> {
                    A(T),
                }
            ),
            "a choice has no parameters",
        ),
        (
            parse_quote!(
                enum Status {}
            ),
            "a choice has something to choose from",
        ),
        (
            parse_quote!(
                enum Status {
                    Active(i64),
                }
            ),
            "a variant of a choice has no fields",
        ),
        (
            parse_quote!(
                enum Status {
                    Won,
                    #[choice(code = "won")]
                    Lost,
                }
            ),
            "another variant has the code \"won\" as well",
        ),
        (
            parse_quote!(
                enum Status {
                    #[choice(code = "")]
                    Won,
                }
            ),
            "a code is not empty",
        ),
        (
            parse_quote!(
                enum Status {
                    #[choice(name = "won")]
                    Won,
                }
            ),
            "expected code",
        ),
    ];
    for (input, message) in inputs {
        let refusal = crate::choice::expand(&input).expect_err("is refused").to_string();
        assert!(refusal.starts_with(message), "{refusal}");
    }
}
