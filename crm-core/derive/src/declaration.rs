//! What a struct says about itself: read from its tokens and checked as far as tokens tell.

use proc_macro2::{Ident, Span};
use syn::ext::IdentExt;
use syn::meta::ParseNestedMeta;
use syn::punctuated::Punctuated;
use syn::spanned::Spanned;
use syn::{
    Attribute, Data, DeriveInput, Error, Expr, Fields, GenericArgument, LitInt, LitStr, Meta,
    PathArguments, Result, Token, Type, Visibility, parenthesized,
};

use crate::names::{camel_case, is_camel_case, is_snake_case};

/// A checked declaration. Fields are referred to by position.
pub(crate) struct Declaration {
    pub(crate) ident: Ident,
    pub(crate) visibility: Visibility,
    pub(crate) name: LitStr,
    pub(crate) scoping: Scoping,
    pub(crate) owners: Owners,
    pub(crate) unique: Vec<Unique>,
    pub(crate) indexes: Vec<Vec<usize>>,
    pub(crate) default_draft: bool,
    pub(crate) resource: Option<LitStr>,
    pub(crate) ends: Vec<End>,
    pub(crate) title: Option<usize>,
    pub(crate) known_by: Option<usize>,
    pub(crate) members: Vec<Member>,
}

#[derive(Clone, Copy)]
pub(crate) enum Scoping {
    Tenant,
    Global,
}

pub(crate) enum Owners {
    Nobody,
    Everybody,
    Users { assigned: Vec<(usize, Span)>, creator: Option<(usize, Span)> },
    Through(usize, Span),
    Ends,
}

/// A pair of fields that name a record of any type.
pub(crate) struct End {
    pub(crate) name: String,
    pub(crate) record_type: (usize, Span),
    pub(crate) id: (usize, Span),
}

pub(crate) struct Unique {
    pub(crate) name: LitStr,
    pub(crate) fields: Vec<(usize, Span)>,
}

/// One field of the struct.
pub(crate) struct Member {
    pub(crate) ident: Ident,
    pub(crate) ty: Type,
    pub(crate) wire: String,
    /// The lines of its doc comment.
    pub(crate) docs: Vec<Expr>,
    pub(crate) marks: Marks,
}

/// What `#[entity(…)]` says of a field, each with the place where it says so.
#[derive(Default)]
pub(crate) struct Marks {
    pub(crate) filter: Option<Span>,
    pub(crate) sort: Option<Span>,
    pub(crate) search: Option<Span>,
    pub(crate) code: Option<Span>,
    pub(crate) secret: Option<Span>,
    pub(crate) computed: Option<Span>,
    pub(crate) title: Option<Span>,
    pub(crate) known_by: Option<Span>,
    pub(crate) scale: Option<LitInt>,
    pub(crate) references: Option<LitStr>,
    pub(crate) rename: Option<LitStr>,
    pub(crate) reads: Option<Type>,
    pub(crate) made_of: Option<LitStr>,
}

/// The fields that come first, with their types in their shortest form. `$` is the struct.
const SYSTEM: [(&str, &str); 5] = [
    ("id", "Id<$>"),
    ("version", "i64"),
    ("created_at", "DateTime<Utc>"),
    ("updated_at", "DateTime<Utc>"),
    ("deleted_at", "Option<DateTime<Utc>>"),
];
pub(crate) const SYSTEM_COUNT: usize = SYSTEM.len();

impl Declaration {
    pub(crate) fn read(input: &DeriveInput) -> Result<Self> {
        let fields = match &input.data {
            Data::Struct(data) => match &data.fields {
                Fields::Named(fields) => &fields.named,
                _ => return Err(Error::new_spanned(&input.ident, "an entity has named fields")),
            },
            _ => return Err(Error::new_spanned(&input.ident, "an entity is a struct")),
        };
        if !input.generics.params.is_empty() {
            return Err(Error::new_spanned(&input.generics, "an entity has no parameters"));
        }
        let given = Given::read(&input.attrs)?;
        let mut members = Vec::with_capacity(fields.len());
        let mut faults: Option<Error> = None;
        for field in fields {
            match Member::read(field) {
                Ok(member) => members.push(member),
                Err(fault) => note(&mut faults, fault),
            }
        }
        if let Some(faults) = faults {
            return Err(faults);
        }
        check_system(&input.ident, &members)?;
        check_wire_names(&members)?;
        given.resolve(input, members)
    }

    /// The fields that a caller may set: not the system's, not computed ones.
    pub(crate) fn settable(&self) -> impl Iterator<Item = &Member> {
        self.members.iter().skip(SYSTEM_COUNT).filter(|member| member.marks.computed.is_none())
    }
}

impl Member {
    fn read(field: &syn::Field) -> Result<Self> {
        let Some(ident) = field.ident.clone() else {
            return Err(Error::new_spanned(field, "an entity has named fields"));
        };
        let marks = Marks::read(&field.attrs)?;
        let wire = match &marks.rename {
            Some(name) => name.value(),
            None => camel_case(&ident.unraw().to_string()),
        };
        if !is_camel_case(&wire) {
            let message = format!("the field's name must be camel case, got {wire:?}");
            return Err(match &marks.rename {
                Some(name) => Error::new_spanned(name, message),
                None => Error::new_spanned(&ident, message),
            });
        }
        Ok(Self { ident, ty: field.ty.clone(), wire, docs: docs(&field.attrs), marks })
    }

    /// Whether the store keeps a comparison key beside it, if it is text.
    pub(crate) fn is_compared(&self) -> bool {
        self.marks.filter.is_some() || self.marks.sort.is_some()
    }
}

impl Marks {
    fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut marks = Self::default();
        for attribute in attributes.iter().filter(|a| a.path().is_ident("entity")) {
            attribute.parse_nested_meta(|meta| {
                let word = meta.path.get_ident().map(Ident::to_string).unwrap_or_default();
                let flag = match word.as_str() {
                    "filter" => &mut marks.filter,
                    "sort" => &mut marks.sort,
                    "search" => &mut marks.search,
                    "code" => &mut marks.code,
                    "secret" => &mut marks.secret,
                    "computed" => &mut marks.computed,
                    "title" => &mut marks.title,
                    "known_by" => &mut marks.known_by,
                    "scale" => {
                        let scale: LitInt = meta.value()?.parse()?;
                        if scale.base10_parse::<u8>()? > 6 {
                            return Err(Error::new_spanned(scale, "a scale is at most 6"));
                        }
                        return once(&meta, &mut marks.scale, scale);
                    }
                    "references" => {
                        let target = snake_name(&meta)?;
                        return once(&meta, &mut marks.references, target);
                    }
                    "rename" => {
                        let name = meta.value()?.parse()?;
                        return once(&meta, &mut marks.rename, name);
                    }
                    "made_of" => {
                        let fields = meta.value()?.parse()?;
                        return once(&meta, &mut marks.made_of, fields);
                    }
                    "reads" => {
                        let rules = meta.value()?.parse()?;
                        return once(&meta, &mut marks.reads, rules);
                    }
                    _ => {
                        return Err(meta.error(
                            "expected filter, sort, search, code, scale, references, secret, \
                             computed, made_of, title, known_by, rename or reads",
                        ));
                    }
                };
                let span = meta.path.span();
                once(&meta, flag, span)
            })?;
        }
        if let (Some(_), Some(scale)) = (marks.code, &marks.scale) {
            return Err(Error::new_spanned(scale, "a code has no scale"));
        }
        Ok(marks)
    }

    fn is_empty(&self) -> bool {
        let flags = [
            self.filter,
            self.sort,
            self.search,
            self.code,
            self.secret,
            self.computed,
            self.title,
            self.known_by,
        ];
        flags.iter().all(Option::is_none)
            && self.scale.is_none()
            && self.references.is_none()
            && self.rename.is_none()
            && self.reads.is_none()
            && self.made_of.is_none()
    }
}

/// What `#[entity(…)]` says of the struct, fields still by name.
#[derive(Default)]
struct Given {
    name: Option<LitStr>,
    scoping: Option<Scoping>,
    owners: Option<GivenOwners>,
    unique: Vec<(LitStr, Vec<Ident>)>,
    indexes: Vec<Vec<Ident>>,
    no_default_draft: Option<()>,
    resource: Option<LitStr>,
    ends: Vec<(Ident, Vec<Ident>)>,
}

enum GivenOwners {
    Nobody,
    Everybody,
    Users { assigned: Vec<Ident>, creator: Option<Ident> },
    Through(Ident),
    Ends,
}

impl Given {
    fn read(attributes: &[Attribute]) -> Result<Self> {
        let mut given = Self::default();
        for attribute in attributes.iter().filter(|a| a.path().is_ident("entity")) {
            attribute.parse_nested_meta(|meta| {
                let word = meta.path.get_ident().map(Ident::to_string).unwrap_or_default();
                match word.as_str() {
                    "name" => {
                        let name = snake_name(&meta)?;
                        once(&meta, &mut given.name, name)
                    }
                    "tenant" => once(&meta, &mut given.scoping, Scoping::Tenant),
                    "global" => once(&meta, &mut given.scoping, Scoping::Global),
                    "ends" => meta.parse_nested_meta(|inner| {
                        let name = inner.path.require_ident()?.clone();
                        given.ends.push((name, listed(&inner)?));
                        Ok(())
                    }),
                    "resource" => {
                        let resource = snake_name(&meta)?;
                        once(&meta, &mut given.resource, resource)
                    }
                    "no_default_draft" => once(&meta, &mut given.no_default_draft, ()),
                    "owners" => {
                        let owners = GivenOwners::read(&meta)?;
                        once(&meta, &mut given.owners, owners)
                    }
                    "unique" => {
                        given.unique.push(read_unique(&meta)?);
                        Ok(())
                    }
                    "index" => {
                        given.indexes.push(listed(&meta)?);
                        Ok(())
                    }
                    _ => Err(meta.error(
                        "expected name, tenant, global, owners, unique, index, ends, resource or \
                         no_default_draft",
                    )),
                }
            })?;
        }
        Ok(given)
    }

    fn resolve(self, input: &DeriveInput, members: Vec<Member>) -> Result<Declaration> {
        let missing = |what: &str| Error::new_spanned(&input.ident, what);
        let name = self.name.ok_or_else(|| {
            missing("say what its records are called, #[entity(name = \"…\")] in plural snake case")
        })?;
        let scoping = self.scoping.ok_or_else(|| {
            missing("say whose its records are, #[entity(tenant)] or #[entity(global)]")
        })?;
        let owners = self.owners.ok_or_else(|| {
            missing(
                "say who owns its records, #[entity(owners(…))] with nobody, everybody, \
                 assigned(…), creator(…) or through(…)",
            )
        })?;
        let one = |ident: &Ident| {
            let position = members.iter().position(|member| member.ident == *ident);
            position
                .map(|position| (position, ident.span()))
                .ok_or_else(|| Error::new_spanned(ident, format!("there is no field {ident}")))
        };
        let all = |idents: &[Ident]| idents.iter().map(one).collect::<Result<Vec<_>>>();
        let owners = match owners {
            GivenOwners::Nobody => Owners::Nobody,
            GivenOwners::Everybody => Owners::Everybody,
            GivenOwners::Ends if self.ends.is_empty() => {
                return Err(missing("say what its ends are, #[entity(ends(name(type, id), …))]"));
            }
            GivenOwners::Ends => Owners::Ends,
            GivenOwners::Users { assigned, creator } => Owners::Users {
                assigned: all(&assigned)?,
                creator: creator.as_ref().map(one).transpose()?,
            },
            GivenOwners::Through(field) => {
                let (position, span) = one(&field)?;
                if members[position].marks.references.is_none() {
                    return Err(Error::new(span, format!("{field} references no record")));
                }
                Owners::Through(position, span)
            }
        };
        let mut unique: Vec<Unique> = Vec::with_capacity(self.unique.len());
        for (name, fields) in self.unique {
            if unique.iter().any(|other| other.name.value() == name.value()) {
                return Err(Error::new_spanned(name, "this unique key is declared twice"));
            }
            unique.push(Unique { name, fields: all(&fields)? });
        }
        let positions =
            |fields: &Vec<Ident>| Ok(all(fields)?.into_iter().map(|(field, _)| field).collect());
        let indexes = self.indexes.iter().map(positions).collect::<Result<_>>()?;
        let mut ends: Vec<End> = Vec::with_capacity(self.ends.len());
        for (ident, fields) in &self.ends {
            let name = camel_case(&ident.unraw().to_string());
            if ends.iter().any(|other| other.name == name) {
                return Err(Error::new_spanned(ident, "this end is declared twice"));
            }
            match all(fields)?[..] {
                [record_type, id] => ends.push(End { name, record_type, id }),
                _ => return Err(Error::new_spanned(ident, "an end is a type and an identifier")),
            }
        }
        let title = only(&members, |marks| marks.title, "another field is the title already")?;
        let known_by =
            only(&members, |marks| marks.known_by, "records are known by another field already")?;
        Ok(Declaration {
            ident: input.ident.clone(),
            visibility: input.vis.clone(),
            name,
            scoping,
            owners,
            unique,
            indexes,
            default_draft: self.no_default_draft.is_none(),
            resource: self.resource,
            ends,
            title,
            known_by,
            members,
        })
    }
}

impl GivenOwners {
    fn read(meta: &ParseNestedMeta<'_>) -> Result<Self> {
        let mut found: Option<Self> = None;
        meta.parse_nested_meta(|inner| {
            let word = inner.path.get_ident().map(Ident::to_string).unwrap_or_default();
            let next = match (word.as_str(), found.take()) {
                ("nobody", None) => Self::Nobody,
                ("everybody", None) => Self::Everybody,
                ("ends", None) => Self::Ends,
                ("through", None) => Self::Through(single(&inner)?),
                ("assigned", None) => Self::Users { assigned: listed(&inner)?, creator: None },
                ("creator", None) => {
                    Self::Users { assigned: Vec::new(), creator: Some(single(&inner)?) }
                }
                ("creator", Some(Self::Users { assigned, creator: None })) => {
                    Self::Users { assigned, creator: Some(single(&inner)?) }
                }
                ("nobody" | "everybody" | "ends" | "through" | "assigned" | "creator", Some(_)) => {
                    return Err(inner.error("contradicts what was said of the owners before"));
                }
                _ => {
                    return Err(inner.error(
                        "expected nobody, everybody, ends, assigned(…), creator(…) or through(…)",
                    ));
                }
            };
            found = Some(next);
            Ok(())
        })?;
        found.ok_or_else(|| meta.error("expected who owns its records"))
    }
}

/// The one field that is marked so.
fn only(
    members: &[Member],
    mark: impl Fn(&Marks) -> Option<Span>,
    twice: &str,
) -> Result<Option<usize>> {
    let mut marked =
        members.iter().enumerate().filter_map(|(i, member)| Some((i, mark(&member.marks)?)));
    let first = marked.next().map(|(i, _)| i);
    match marked.next() {
        None => Ok(first),
        Some((_, span)) => Err(Error::new(span, twice)),
    }
}

fn read_unique(meta: &ParseNestedMeta<'_>) -> Result<(LitStr, Vec<Ident>)> {
    let (mut name, mut fields) = (None, None);
    meta.parse_nested_meta(|inner| {
        if inner.path.is_ident("name") {
            let given = snake_name(&inner)?;
            once(&inner, &mut name, given)
        } else if inner.path.is_ident("fields") {
            let given = listed(&inner)?;
            once(&inner, &mut fields, given)
        } else {
            Err(inner.error("expected name or fields"))
        }
    })?;
    match (name, fields) {
        (Some(name), Some(fields)) => Ok((name, fields)),
        _ => Err(meta.error("expected unique(name = \"…\", fields(…))")),
    }
}

fn once<T>(meta: &ParseNestedMeta<'_>, place: &mut Option<T>, value: T) -> Result<()> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(meta.error("is said a second time")),
    }
}

fn snake_name(meta: &ParseNestedMeta<'_>) -> Result<LitStr> {
    let name: LitStr = meta.value()?.parse()?;
    if is_snake_case(&name.value()) {
        Ok(name)
    } else {
        Err(Error::new_spanned(name, "expected snake case of at most 50 characters"))
    }
}

fn listed(meta: &ParseNestedMeta<'_>) -> Result<Vec<Ident>> {
    let content;
    parenthesized!(content in meta.input);
    let fields = Punctuated::<Ident, Token![,]>::parse_terminated_with(&content, Ident::parse_any)?;
    if fields.is_empty() {
        return Err(meta.error("expected the names of fields"));
    }
    Ok(fields.into_iter().collect())
}

fn single(meta: &ParseNestedMeta<'_>) -> Result<Ident> {
    let mut fields = listed(meta)?;
    match fields.pop() {
        Some(field) if fields.is_empty() => Ok(field),
        _ => Err(meta.error("expected the name of one field")),
    }
}

fn check_system(owner: &Ident, members: &[Member]) -> Result<()> {
    for (i, (name, ty)) in SYSTEM.iter().enumerate() {
        let ty = ty.replace('$', &owner.to_string());
        let expected = format!("expected `{name}: {ty}` as field {} of an entity", i + 1);
        let Some(member) = members.get(i) else {
            return Err(Error::new_spanned(owner, expected));
        };
        if member.ident != name {
            return Err(Error::new_spanned(&member.ident, expected));
        }
        if shortest(&member.ty).replace("Id<Self>", &format!("Id<{owner}>")) != ty {
            return Err(Error::new_spanned(&member.ty, expected));
        }
        if !member.marks.is_empty() {
            let message = "this field is the library's own and takes no attributes";
            return Err(Error::new_spanned(&member.ident, message));
        }
    }
    Ok(())
}

fn check_wire_names(members: &[Member]) -> Result<()> {
    for (i, member) in members.iter().enumerate() {
        if members[..i].iter().any(|other| other.wire == member.wire) {
            let message = format!("another field is called {:?} as well", member.wire);
            return Err(Error::new_spanned(&member.ident, message));
        }
    }
    Ok(())
}

/// The type without the paths in front of its names: `DateTime<Utc>`.
fn shortest(ty: &Type) -> String {
    let Type::Path(path) = ty else { return String::new() };
    let Some(last) = path.path.segments.last() else { return String::new() };
    let PathArguments::AngleBracketed(arguments) = &last.arguments else {
        return last.ident.to_string();
    };
    let arguments: Vec<String> = arguments
        .args
        .iter()
        .map(|argument| match argument {
            GenericArgument::Type(ty) => shortest(ty),
            _ => String::new(),
        })
        .collect();
    format!("{}<{}>", last.ident, arguments.join(", "))
}

/// The type within an `Option`, if it is one.
pub(crate) fn within_option(ty: &Type) -> Option<&Type> {
    let Type::Path(path) = ty else { return None };
    let last = path.path.segments.last().filter(|segment| segment.ident == "Option")?;
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return None };
    match arguments.args.first() {
        Some(GenericArgument::Type(inner)) => Some(inner),
        _ => None,
    }
}

fn docs(attributes: &[Attribute]) -> Vec<Expr> {
    let lines = attributes.iter().filter_map(|attribute| match &attribute.meta {
        Meta::NameValue(pair) if pair.path.is_ident("doc") => Some(pair.value.clone()),
        _ => None,
    });
    lines.collect()
}

fn note(faults: &mut Option<Error>, fault: Error) {
    match faults {
        None => *faults = Some(fault),
        Some(faults) => faults.combine(fault),
    }
}
