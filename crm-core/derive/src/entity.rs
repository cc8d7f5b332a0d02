//! `#[derive(Entity)]`: from the declaration to the code.

use proc_macro2::{Ident, Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{DeriveInput, Result};

use crate::declaration::{Declaration, Member, Owners, SYSTEM_COUNT, Scoping, within_option};

pub(crate) fn expand(input: &DeriveInput) -> Result<TokenStream> {
    let declaration = Declaration::read(input)?;
    let assertions = assertions(&declaration);
    let handles = handles(&declaration);
    let entity = entity(&declaration);
    let draft = draft(&declaration);
    let patch = patch(&declaration);
    Ok(quote! { #assertions #handles #entity #draft #patch })
}

// The kind of a field as it is stored, and that of its type.
fn kind(member: &Member) -> TokenStream {
    match (&member.marks.scale, member.marks.code) {
        (Some(scale), _) => quote!(::crm_core::store::Kind::Decimal { scale: #scale }),
        (None, Some(_)) => quote!(::crm_core::store::Kind::Code),
        (None, None) => type_kind(member),
    }
}

fn type_kind(member: &Member) -> TokenStream {
    let ty = &member.ty;
    quote!(<#ty as ::crm_core::entity::FieldType>::KIND)
}

fn is_required(member: &Member) -> TokenStream {
    let ty = &member.ty;
    quote!(<#ty as ::crm_core::entity::FieldType>::REQUIRED)
}

// What only the types can tell, asserted where the declaration says otherwise.
fn assertions(declaration: &Declaration) -> TokenStream {
    let mut out = TokenStream::new();
    let mut assert = |span: Span, condition: TokenStream, message: String| {
        out.extend(quote_spanned! {span=> const _: () = ::core::assert!(#condition, #message); });
    };
    for member in declaration.members.iter().skip(SYSTEM_COUNT) {
        let (name, marks) = (&member.wire, &member.marks);
        let (kind, type_kind, required) = (kind(member), type_kind(member), is_required(member));
        assert(
            member.ty.span(),
            quote!(#required || !#kind.is_never_null()),
            format!("{name}: a list or a document of fields is empty, never absent"),
        );
        if let Some(span) = marks.code {
            assert(
                span,
                quote!(::core::matches!(#type_kind, ::crm_core::store::Kind::Text)),
                format!("{name}: only text can be stored as a code"),
            );
        }
        if let Some(scale) = &marks.scale {
            assert(
                scale.span(),
                quote!(::core::matches!(#type_kind, ::crm_core::store::Kind::Decimal { .. })),
                format!("{name}: only a decimal has a scale"),
            );
        }
        if let Some(target) = &marks.references {
            assert(
                target.span(),
                quote!(::core::matches!(#kind, ::crm_core::store::Kind::Uuid)),
                format!("{name}: only an identifier refers to a record"),
            );
        }
        if let Some(span) = marks.search {
            assert(
                span,
                quote!(::core::matches!(
                    #kind,
                    ::crm_core::store::Kind::Text
                        | ::crm_core::store::Kind::Code
                        | ::crm_core::store::Kind::Custom
                )),
                format!("{name}: only text can be searched"),
            );
        }
        if let Some(span) = marks.title {
            assert(
                span,
                quote!(#required && ::core::matches!(
                    #kind,
                    ::crm_core::store::Kind::Text | ::crm_core::store::Kind::Code
                )),
                format!("{name}: a title is a text that is never absent"),
            );
        }
        if let Some(span) = marks.known_by {
            let filtered = marks.filter.is_some();
            assert(
                span,
                quote!(#filtered && #required
                    && ::core::matches!(#kind, ::crm_core::store::Kind::Uuid)),
                format!("{name}: records are known by a required identifier that has filter"),
            );
        }
        if let Some(span) = marks.sort {
            assert(span, quote!(#kind.is_ordered()), format!("{name}: its values have no order"));
        }
        if let Some(span) = marks.filter {
            assert(
                span,
                quote!(!::core::matches!(#kind, ::crm_core::store::Kind::Json)),
                format!("{name}: a document is looked into by nobody"),
            );
        }
    }
    for key in &declaration.unique {
        for (field, span) in &key.fields {
            let member = &declaration.members[*field];
            let (name, kind) = (&member.wire, kind(member));
            assert(
                *span,
                quote!(#kind.is_ordered()),
                format!("{name}: a unique key needs values that have an order"),
            );
            if *field >= SYSTEM_COUNT && !member.is_compared() {
                assert(
                    *span,
                    quote!(!::core::matches!(#kind, ::crm_core::store::Kind::Text)),
                    format!("{name}: text in a unique key must have filter or sort"),
                );
            }
        }
    }
    for end in &declaration.ends {
        let kinds =
            [(end.record_type, quote!(Code), "a code"), (end.id, quote!(Uuid), "an identifier")];
        for ((field, span), kind, what) in kinds {
            let member = &declaration.members[field];
            let (name, own) = (&member.wire, self::kind(member));
            let filtered = member.marks.filter.is_some();
            assert(
                span,
                quote!(#filtered && ::core::matches!(#own, ::crm_core::store::Kind::#kind)),
                format!("{name}: here an end has {what} with filter"),
            );
            if matches!(declaration.owners, Owners::Ends) {
                let required = is_required(member);
                assert(
                    span,
                    required,
                    format!("{name}: an end that reach goes by is never absent"),
                );
            }
        }
    }
    match &declaration.owners {
        Owners::Nobody | Owners::Everybody | Owners::Ends => {}
        Owners::Users { assigned, creator } => {
            let one = quote!(::crm_core::store::Kind::Uuid);
            let some = quote!(::crm_core::store::Kind::Uuid | ::crm_core::store::Kind::Uuids);
            let assigned = assigned.iter().map(|field| (field, &some));
            for ((field, span), kinds) in assigned.chain(creator.iter().map(|field| (field, &one)))
            {
                let member = &declaration.members[*field];
                let (name, kind) = (&member.wire, kind(member));
                assert(
                    *span,
                    quote!(::core::matches!(#kind, #kinds)),
                    format!("{name}: an owner is named by an identifier"),
                );
            }
        }
        Owners::Through(field, span) => {
            let member = &declaration.members[*field];
            let (name, required) = (&member.wire, is_required(member));
            assert(
                *span,
                required,
                format!("{name}: an owner is reached through a required reference"),
            );
        }
    }
    out
}

fn handles(declaration: &Declaration) -> TokenStream {
    let Declaration { ident, visibility, .. } = declaration;
    let constants = (0_u16..).zip(&declaration.members).map(|(index, member)| {
        let (docs, ty) = (docs(member), &member.ty);
        let upper = member.ident.unraw().to_string().to_uppercase();
        let name = Ident::new(&upper, member.ident.span());
        quote! {
            #docs
            #visibility const #name: ::crm_core::entity::FieldOf<Self, #ty> =
                ::crm_core::entity::FieldOf::new(#index);
        }
    });
    quote! {
        #[allow(dead_code, reason = "every field has its handle, asked for or not")]
        impl #ident { #(#constants)* }
    }
}

fn docs(member: &Member) -> TokenStream {
    if member.docs.is_empty() {
        let text = format!("The field `{}`.", member.wire);
        return quote!(#[doc = #text]);
    }
    let lines = &member.docs;
    quote!(#(#[doc = #lines])*)
}

fn entity(declaration: &Declaration) -> TokenStream {
    let Declaration { ident, name, members, .. } = declaration;
    let (draft, patch) = (companion(ident, "Draft"), companion(ident, "Patch"));
    let schema = schema(declaration);
    let idents: Vec<&Ident> = members.iter().map(|member| &member.ident).collect();
    let wires = members.iter().map(|member| &member.wire);
    let resource = declaration.resource.as_ref().unwrap_or(name);
    quote! {
        #[automatically_derived]
        impl ::crm_core::entity::Entity for #ident {
            const ENTITY: &'static str = #name;
            const RESOURCE: &'static str = #resource;
            type Draft = #draft;
            type Patch = #patch;

            #schema

            fn id(&self) -> ::crm_core::Id<Self> {
                self.id
            }
            fn version(&self) -> i64 {
                self.version
            }
            fn created_at(&self) -> ::crm_core::derive_support::Time {
                self.created_at
            }
            fn updated_at(&self) -> ::crm_core::derive_support::Time {
                self.updated_at
            }
            fn deleted_at(&self) -> ::core::option::Option<::crm_core::derive_support::Time> {
                self.deleted_at
            }
            fn set_system(&mut self, system: ::crm_core::entity::SystemFields<Self>) {
                self.id = system.id;
                self.version = system.version;
                self.created_at = system.created_at;
                self.updated_at = system.updated_at;
                self.deleted_at = system.deleted_at;
            }
            fn into_values(self) -> ::std::vec::Vec<::crm_core::store::Value> {
                ::std::vec![#(::crm_core::entity::FieldType::into_value(self.#idents)),*]
            }
            fn from_values(
                values: ::std::boxed::Box<[::crm_core::store::Value]>,
            ) -> ::crm_core::Result<Self> {
                let mut values =
                    ::crm_core::derive_support::Stored::new(Self::schema(), values)?;
                ::core::result::Result::Ok(Self { #(#idents: values.take(#wires)?),* })
            }
        }
    }
}

fn schema(declaration: &Declaration) -> TokenStream {
    let Declaration { name, members, .. } = declaration;
    let scoping = match declaration.scoping {
        Scoping::Tenant => quote!(::crm_core::store::Scoping::Tenant),
        Scoping::Global => quote!(::crm_core::store::Scoping::Global),
    };
    let owners = owners(&declaration.owners);
    let fields = members.iter().skip(SYSTEM_COUNT).map(field);
    let unique = declaration.unique.iter().map(|key| {
        let name = &key.name;
        let fields = key.fields.iter().map(|(field, _)| &members[*field].wire);
        quote!(.unique(#name, &[#(#fields),*])?)
    });
    let indexes = declaration.indexes.iter().map(|index| {
        let fields = index.iter().map(|field| &members[*field].wire);
        quote!(.index(&[#(#fields),*])?)
    });
    let resource = declaration.resource.as_ref().map(|resource| quote!(.resource(#resource)));
    let ends = declaration.ends.iter().map(|end| {
        let (record_type, id) = (&members[end.record_type.0].wire, &members[end.id.0].wire);
        let name = &end.name;
        quote!(.end(#name, #record_type, #id)?)
    });
    let title = declaration.title.map(|field| {
        let wire = &members[field].wire;
        quote!(.title(#wire)?)
    });
    let known_by = declaration.known_by.map(|field| {
        let wire = &members[field].wire;
        quote!(.known_by(#wire)?)
    });
    quote! {
        fn schema() -> &'static ::std::sync::Arc<::crm_core::store::Schema> {
            fn declare() -> ::crm_core::Result<::std::sync::Arc<::crm_core::store::Schema>> {
                ::crm_core::store::Schema::builder(#name, #scoping, #owners)
                    #(.field(#fields))*
                    #(#unique)*
                    #(#indexes)*
                    #(#ends)*
                    #resource #title #known_by
                    .build()
            }
            static SCHEMA: ::std::sync::LazyLock<
                ::std::sync::Arc<::crm_core::store::Schema>,
            > = ::std::sync::LazyLock::new(|| ::crm_core::derive_support::declared(declare()));
            &SCHEMA
        }
    }
}

fn field(member: &Member) -> TokenStream {
    let (wire, ty, marks, kind) = (&member.wire, &member.ty, &member.marks, kind(member));
    let filter = marks.filter.map(|_| quote!(.filterable()));
    let sort = marks.sort.map(|_| quote!(.sortable()));
    let search = marks.search.map(|_| quote!(.searchable()));
    let secret = marks.secret.map(|_| quote!(.secret()));
    let reads = marks
        .reads
        .as_ref()
        .map(|rules| quote!(.reading(<#rules as ::crm_core::entity::FieldType>::READING)));
    let references = marks.references.as_ref().map(|target| quote!(.references(#target)));
    let made_of = marks.made_of.as_ref().map(|fields| quote!(.made_of(#fields)));
    quote! {
        ::crm_core::derive_support::field::<#ty>(#wire, #kind)
            #filter #sort #search #references #secret #reads #made_of
    }
}

fn owners(owners: &Owners) -> TokenStream {
    // Structs have far fewer than 65,536 fields; one that had more would not build its schema.
    let index = |field: &usize| u16::try_from(*field).unwrap_or(u16::MAX);
    match owners {
        Owners::Nobody => quote!(::crm_core::store::Owners::Nobody),
        Owners::Everybody => quote!(::crm_core::store::Owners::Everybody),
        Owners::Ends => quote!(::crm_core::store::Owners::Ends),
        Owners::Users { assigned, creator } => {
            let assigned = assigned.iter().map(|(field, _)| index(field));
            let creator = match creator {
                None => quote!(::core::option::Option::None),
                Some((field, _)) => {
                    let field = index(field);
                    quote!(::core::option::Option::Some(#field))
                }
            };
            quote! {
                ::crm_core::store::Owners::Users {
                    assigned: ::std::vec![#(#assigned),*],
                    creator: #creator,
                }
            }
        }
        Owners::Through(field, _) => {
            let field = index(field);
            quote!(::crm_core::store::Owners::Through { field: #field })
        }
    }
}

fn companion(ident: &Ident, suffix: &str) -> Ident {
    format_ident!("{ident}{suffix}", span = ident.span())
}

fn draft(declaration: &Declaration) -> TokenStream {
    let Declaration { ident, visibility, .. } = declaration;
    let name = companion(ident, "Draft");
    let text = format!("What creates a [`{ident}`]: the fields that are a caller's to set.");
    let default = declaration.default_draft.then(|| quote!(, Default));
    let docs = declaration.settable().map(docs);
    let types = declaration.settable().map(|member| &member.ty);
    let fields: Vec<&Ident> = declaration.settable().map(|member| &member.ident).collect();
    let computed = declaration.members.iter().filter(|m| m.marks.computed.is_some());
    let computed = computed.map(|member| &member.ident);
    let entity = changed(declaration);
    quote! {
        #[doc = #text]
        #[derive(Clone, Debug, PartialEq #default)]
        #visibility struct #name {
            #(#docs #visibility #fields: #types,)*
        }

        #[automatically_derived]
        impl ::crm_core::entity::Draft<#ident> for #name {
            fn into_entity(
                self,
                system: ::crm_core::entity::SystemFields<#ident>,
            ) -> #ident {
                #ident {
                    id: system.id,
                    version: system.version,
                    created_at: system.created_at,
                    updated_at: system.updated_at,
                    deleted_at: system.deleted_at,
                    #(#fields: self.#fields,)*
                    #(#computed: ::core::default::Default::default(),)*
                }
            }
            fn replace(self, #entity: &mut #ident) {
                #(#entity.#fields = self.#fields;)*
            }
        }
    }
}

fn patch(declaration: &Declaration) -> TokenStream {
    let Declaration { ident, visibility, .. } = declaration;
    let name = companion(ident, "Patch");
    let text = format!("What changes a [`{ident}`]: each field kept as it is or set.");
    let entity = changed(declaration);
    let fields = declaration.settable().map(|member| {
        let (docs, field, ty) = (docs(member), &member.ident, &member.ty);
        match within_option(ty) {
            Some(inner) => quote!(#docs #visibility #field: ::crm_core::entity::Change<#inner>),
            None => quote!(#docs #visibility #field: ::core::option::Option<#ty>),
        }
    });
    let changes = declaration.settable().map(|member| {
        let field = &member.ident;
        match within_option(&member.ty) {
            Some(_) => quote!(self.#field.apply(&mut #entity.#field);),
            None => quote! {
                if let ::core::option::Option::Some(value) = self.#field {
                    #entity.#field = value;
                }
            },
        }
    });
    quote! {
        #[doc = #text]
        #[derive(Clone, Debug, PartialEq, Default)]
        #visibility struct #name {
            #(#fields,)*
        }

        #[automatically_derived]
        impl ::crm_core::entity::Patch<#ident> for #name {
            fn apply(self, #entity: &mut #ident) {
                #(#changes)*
            }
        }
    }
}

// The name of the entity that a draft or patch changes, where it changes anything.
fn changed(declaration: &Declaration) -> Ident {
    let name = if declaration.settable().next().is_some() { "entity" } else { "_entity" };
    Ident::new(name, Span::call_site())
}
