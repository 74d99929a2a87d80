//! The derive macros of the `crdt` crate; use them through its feature `derive`.

mod schema;

use proc_macro2::{Ident, TokenStream};
use quote::{format_ident, quote};
use syn::spanned::Spanned;
use syn::{Data, DataEnum, DeriveInput, Error, Fields, GenericParam, Generics, Index, Member, Type};

/// Makes a struct of CRDTs a CRDT: `DotStore`, `Encode` and `Decode`, field by field. Makes an enum of CRDTs one that
/// stands in a `OneOf`: `Variants`, `Encode`, `Decode`, and a function for each variant.
///
/// It must also derive `Clone`, `PartialEq` and `Debug`, a struct `Default` too. With `#[crdt(display)]` it is
/// `Display`, too.
#[proc_macro_derive(Crdt, attributes(crdt))]
pub fn derive_crdt(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    run(input, |input| {
        if let Data::Enum(data) = &input.data {
            return variants(input, data);
        }
        let fields = fields_of_struct(input)?;
        let (store, encode, decode) = (store(input, &fields), encode(input)?, decode(input)?);
        let display = wants_display(input)?.then(|| display(input, &fields));
        Ok(quote!(#store #encode #decode #display))
    })
}

/// Writes a plain value as canonical bytes, so that registers, sets and logs can hold it.
#[proc_macro_derive(Encode)]
pub fn derive_encode(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    run(input, encode)
}

/// Reads what `Encode` wrote.
#[proc_macro_derive(Decode)]
pub fn derive_decode(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    run(input, decode)
}

/// Makes a struct of fields one that a document is read and edited as; see the module `doc::schema`.
#[proc_macro_derive(Schema, attributes(crdt))]
pub fn derive_schema(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    run(input, schema::schema)
}

/// Makes an enum without fields a plain value of documents: the name of its variant.
#[proc_macro_derive(Plain, attributes(crdt))]
pub fn derive_plain(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    run(input, schema::plain)
}

fn run(
    input: proc_macro::TokenStream,
    derive: impl FnOnce(&DeriveInput) -> Result<TokenStream, Error>,
) -> proc_macro::TokenStream {
    let code = syn::parse::<DeriveInput>(input).and_then(|input| derive(&input));
    code.unwrap_or_else(Error::into_compile_error).into()
}

/// The fields of a struct with their types; an error for what has no sound merge.
fn fields_of_struct(input: &DeriveInput) -> Result<Vec<(Member, Type)>, Error> {
    let fields = match &input.data {
        Data::Struct(data) => &data.fields,
        Data::Enum(data) => return Err(Error::new(data.enum_token.span, "not a struct")),
        Data::Union(data) => {
            return Err(Error::new(data.union_token.span, "a union cannot be merged"));
        }
    };
    refuse_options(fields)?;
    if fields.is_empty() {
        return Err(Error::new(input.ident.span(), "a CRDT has at least one field"));
    }
    Ok(members(fields))
}

fn refuse_options(fields: &Fields) -> Result<(), Error> {
    match fields.iter().flat_map(|field| &field.attrs).find(|a| a.path().is_ident("crdt")) {
        Some(attribute) => Err(Error::new(
            attribute.span(),
            "there are no options for fields: one that is left out would differ between replicas. Keep what is \
             local in a struct around this one",
        )),
        None => Ok(()),
    }
}

/// An enum that stands in a `OneOf`: what each variant holds, field by field, and a function that chooses it.
fn variants(input: &DeriveInput, data: &DataEnum) -> Result<TokenStream, Error> {
    if data.variants.is_empty() {
        return Err(Error::new(input.ident.span(), "one of no variants cannot be"));
    }
    data.variants.iter().try_for_each(|variant| refuse_options(&variant.fields))?;
    let all: Vec<VariantCode> = data.variants.iter().enumerate().map(VariantCode::new).collect();
    let (header, count) = (variants_header(input), all.len());
    let arms = |arm: fn(&VariantCode) -> TokenStream| all.iter().map(arm).collect::<TokenStream>();
    let empty = arms(|v| {
        let (number, name, members) = (v.number, &v.name, &v.members);
        quote!(#number => Self::#name { #(#members: ::core::default::Default::default()),* },)
    });
    let number = arms(|v| {
        let (number, name) = (v.number, &v.name);
        quote!(Self::#name { .. } => #number,)
    });
    let is_bottom = arms(|v| {
        let (pattern, mine) = (v.pattern(&v.mine), &v.mine);
        quote!(#pattern => true #(&& ::crdt::dots::DotStore::is_bottom(#mine))*,)
    });
    let each = arms(|v| {
        let (pattern, mine) = (v.pattern(&v.mine), &v.mine);
        quote!(#pattern => { #(::crdt::dots::DotStore::for_each_dot(#mine, f);)* })
    });
    let join = arms(|v| {
        let (mine, theirs) = (v.pattern(&v.mine), v.pattern(&v.theirs));
        let (here, there) = (&v.mine, &v.theirs);
        quote!((#mine, #theirs) => {
            #(::crdt::dots::DotStore::join(#here, ours, #there, theirs, changes);)*
        })
    });
    let part = arms(|v| {
        let (pattern, name, members, mine) = (v.pattern(&v.mine), &v.name, &v.members, &v.mine);
        quote!(#pattern => Self::#name { #(#members: ::crdt::dots::DotStore::part(#mine, wanted)),* },)
    });
    let end = arms(|v| {
        let (pattern, mine) = (v.pattern(&v.mine), &v.mine);
        quote!(#pattern => false #(| ::crdt::dots::DotStore::end(#mine, cx))*,)
    });
    let (choosers, encode, decode) = (choosers(input, &all), encode(input)?, decode(input)?);
    let display = wants_display(input)?.then(|| display_enum(input, &all));
    Ok(quote! {
        #[automatically_derived]
        #[allow(unused_variables, unreachable_patterns)]
        #header {
            const COUNT: usize = #count;

            fn empty(number: usize) -> Self {
                match number { #empty _ => ::core::unreachable!("no such variant") }
            }

            fn number(&self) -> usize {
                match self { #number }
            }

            fn is_bottom(&self) -> bool {
                match self { #is_bottom }
            }

            fn for_each_dot(&self, f: &mut dyn ::core::ops::FnMut(::crdt::Dot)) {
                match self { #each }
            }

            fn join(
                &mut self,
                ours: &::crdt::context::CausalContext,
                other: &Self,
                theirs: &::crdt::context::CausalContext,
                changes: &mut ::crdt::dots::Changes,
            ) {
                match (self, other) { #join _ => {} }
            }

            fn part(&self, wanted: &::crdt::context::DotRanges) -> Self {
                match self { #part }
            }

            fn end(&mut self, cx: &mut ::crdt::dots::Cx) -> bool {
                match self { #end }
            }
        }
        #choosers #encode #decode #display
    })
}

/// A variant and the names that its fields have in patterns.
struct VariantCode {
    number: usize,
    name: Ident,
    members: Vec<Member>,
    types: Vec<Type>,
    mine: Vec<Ident>,
    theirs: Vec<Ident>,
}

impl VariantCode {
    fn new((number, variant): (usize, &syn::Variant)) -> Self {
        let (members, types): (Vec<_>, Vec<_>) = members(&variant.fields).into_iter().unzip();
        let names = |side: &str| (0..members.len()).map(|i| format_ident!("{side}{i}")).collect();
        let (mine, theirs) = (names("mine"), names("theirs"));
        VariantCode { number, name: variant.ident.clone(), members, types, mine, theirs }
    }

    fn pattern(&self, names: &[Ident]) -> TokenStream {
        let (name, members) = (&self.name, &self.members);
        quote!(Self::#name { #(#members: #names),* })
    }

    /// The name of the function that chooses it: `DebitCard` is `debit_card`.
    fn chooser(&self) -> Ident {
        let mut name = String::new();
        for (i, c) in self.name.to_string().trim_start_matches("r#").chars().enumerate() {
            if c.is_uppercase() && i > 0 && !name.ends_with('_') {
                name.push('_');
            }
            name.extend(c.to_lowercase());
        }
        match syn::parse_str::<Ident>(&name) {
            Ok(_) => Ident::new(&name, self.name.span()),
            Err(_) if ["self", "super", "crate", "_"].contains(&name.as_str()) => format_ident!("{name}_"),
            Err(_) => Ident::new_raw(&name, self.name.span()),
        }
    }
}

/// A function for each variant, of its name, that chooses it and gives what it holds.
fn choosers(input: &DeriveInput, all: &[VariantCode]) -> TokenStream {
    let (name, visible) = (&input.ident, &input.vis);
    let (impl_generics, type_generics, clause) = input.generics.split_for_impl();
    let given = clause.iter().flat_map(|clause| clause.predicates.iter());
    let choosers = all.iter().map(|v| {
        let (chooser, number, mine, types) = (v.chooser(), v.number, &v.mine, &v.types);
        let (pattern, says) = (v.pattern(mine), format!("Chooses `{}`, unless it is shown", v.name));
        let (says, gives, what) = match types.as_slice() {
            [] => (format!("{says}."), quote!(), quote!(())),
            [one] => {
                (format!("{says}, and gives what it holds."), quote!(-> &'one_of mut #one), quote!(mine0))
            }
            _ => {
                let says = format!("{says}, and gives what it holds, in order.");
                (says, quote!(-> (#(&'one_of mut #types),*)), quote!((#(#mine),*)))
            }
        };
        quote! {
            #[doc = #says]
            #visible fn #chooser<'one_of>(
                of: &'one_of mut ::crdt::one_of::OneOf<Self>,
                cx: &mut ::crdt::dots::Cx,
            ) #gives {
                match of.variant(#number, cx) {
                    #pattern => #what,
                    _ => ::core::unreachable!("a variant stays what it is"),
                }
            }
        }
    });
    quote! {
        #[automatically_derived]
        #[allow(dead_code, unreachable_patterns)]
        impl #impl_generics #name #type_generics where Self: ::crdt::one_of::Variants, #(#given),* {
            #(#choosers)*
        }
    }
}

/// The variant's name, and what it holds, as each shows itself.
fn display_enum(input: &DeriveInput, all: &[VariantCode]) -> TokenStream {
    let arms = all.iter().map(|v| {
        let (pattern, mine, name) = (v.pattern(&v.mine), &v.mine, v.name.to_string());
        let is_named = v.members.iter().any(|member| matches!(member, Member::Named(_)));
        let show = match is_named {
            true => {
                let names = v.members.iter().map(|member| quote!(#member).to_string());
                quote!(f.debug_struct(#name)#(.field(#names, &Shown(#mine)))*.finish())
            }
            false => quote!(f.debug_tuple(#name)#(.field(&Shown(#mine)))*.finish()),
        };
        quote!(#pattern => #show,)
    });
    let arms = quote!(match self { #(#arms)* });
    display_with(input, &types_of(input), &arms)
}

/// Whether it is marked `#[crdt(display)]`.
fn wants_display(input: &DeriveInput) -> Result<bool, Error> {
    let mut wanted = false;
    for attribute in input.attrs.iter().filter(|a| a.path().is_ident("crdt")) {
        attribute.parse_nested_meta(|meta| {
            wanted = meta.path.is_ident("display");
            if wanted { Ok(()) } else { Err(meta.error("the one option is `display`")) }
        })?;
    }
    Ok(wanted)
}

/// Field by field, as each shows itself: short, or with who wrote it.
fn display(input: &DeriveInput, fields: &[(Member, Type)]) -> TokenStream {
    let (members, types): (Vec<_>, Vec<_>) = fields.iter().cloned().unzip();
    let names = members.iter().map(|member| match member {
        Member::Named(name) => name.to_string(),
        Member::Unnamed(index) => index.index.to_string(),
    });
    let name = input.ident.to_string();
    let show = quote!(f.debug_struct(#name)#(.field(#names, &Shown(&self.#members)))*.finish());
    display_with(input, &types, &show)
}

/// `Display` that runs `show`, where `Shown` shows a field.
fn display_with(input: &DeriveInput, types: &[Type], show: &TokenStream) -> TokenStream {
    let header = plain_header(input, &quote!(::core::fmt::Display), types);
    quote! {
        #header {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                struct Shown<'a>(&'a dyn ::core::fmt::Display);
                impl ::core::fmt::Debug for Shown<'_> {
                    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                        ::core::fmt::Display::fmt(self.0, f)
                    }
                }
                #show
            }
        }
    }
}

fn members(fields: &Fields) -> Vec<(Member, Type)> {
    let member = |(i, field): (usize, &syn::Field)| match &field.ident {
        Some(name) => Member::Named(name.clone()),
        None => Member::Unnamed(Index::from(i)),
    };
    fields.iter().enumerate().map(|field| (member(field), field.1.ty.clone())).collect()
}

fn store(input: &DeriveInput, fields: &[(Member, Type)]) -> TokenStream {
    let (members, types): (Vec<_>, Vec<_>) = fields.iter().cloned().unzip();
    let bound = quote!(::crdt::dots::DotStore);
    let header = header(input, &bound, &types);
    quote! {
        #header {
            fn is_bottom(&self) -> bool {
                true #(&& ::crdt::dots::DotStore::is_bottom(&self.#members))*
            }

            fn for_each_dot(&self, f: &mut dyn ::core::ops::FnMut(::crdt::Dot)) {
                #(::crdt::dots::DotStore::for_each_dot(&self.#members, f);)*
            }

            fn join(
                &mut self,
                ours: &::crdt::context::CausalContext,
                other: &Self,
                theirs: &::crdt::context::CausalContext,
                changes: &mut ::crdt::dots::Changes,
            ) {
                #(::crdt::dots::DotStore::join(&mut self.#members, ours, &other.#members, theirs, changes);)*
            }

            fn part(&self, wanted: &::crdt::context::DotRanges) -> Self {
                Self { #(#members: ::crdt::dots::DotStore::part(&self.#members, wanted)),* }
            }

            fn end(&mut self, cx: &mut ::crdt::dots::Cx) -> bool {
                false #(| ::crdt::dots::DotStore::end(&mut self.#members, cx))*
            }
        }
    }
}

/// `impl<…> Trait for Type<…> where` every field's type has the trait, if the type is generic.
fn header(input: &DeriveInput, bound: &TokenStream, types: &[Type]) -> TokenStream {
    let name = &input.ident;
    let (impl_generics, type_generics, clause) = input.generics.split_for_impl();
    let given = clause.iter().flat_map(|clause| clause.predicates.iter());
    // Without generics a missing trait is reported where the field is used, with its name.
    let fields = types.iter().filter(|_| is_generic(&input.generics)).map(|ty| quote!(#ty: #bound));
    let supers = is_generic(&input.generics).then(|| {
        quote!(Self: ::core::clone::Clone + ::core::default::Default + ::core::cmp::PartialEq + ::core::fmt::Debug,)
    });
    quote!(impl #impl_generics #bound for #name #type_generics where #supers #(#given,)* #(#fields),*)
}

/// `impl<…> Variants for Type<…> where` every field's type is a `DotStore`, if the type is generic.
fn variants_header(input: &DeriveInput) -> TokenStream {
    let name = &input.ident;
    let (impl_generics, type_generics, clause) = input.generics.split_for_impl();
    let given = clause.iter().flat_map(|clause| clause.predicates.iter());
    let generic = is_generic(&input.generics);
    let types = types_of(input);
    let fields = types.iter().filter(|_| generic).map(|ty| quote!(#ty: ::crdt::dots::DotStore));
    let supers =
        generic.then(|| quote!(Self: ::core::clone::Clone + ::core::cmp::PartialEq + ::core::fmt::Debug,));
    quote! {
        impl #impl_generics ::crdt::one_of::Variants for #name #type_generics
        where #supers #(#given,)* #(#fields),*
    }
}

fn is_generic(generics: &Generics) -> bool {
    generics.params.iter().any(|param| matches!(param, GenericParam::Type(_)))
}

fn plain_header(input: &DeriveInput, bound: &TokenStream, types: &[Type]) -> TokenStream {
    let name = &input.ident;
    let (impl_generics, type_generics, clause) = input.generics.split_for_impl();
    let given = clause.iter().flat_map(|clause| clause.predicates.iter());
    let fields = types.iter().filter(|_| is_generic(&input.generics)).map(|ty| quote!(#ty: #bound));
    quote!(impl #impl_generics #bound for #name #type_generics where #(#given,)* #(#fields),*)
}

fn types_of(input: &DeriveInput) -> Vec<Type> {
    match &input.data {
        Data::Struct(data) => data.fields.iter().map(|field| field.ty.clone()).collect(),
        Data::Enum(data) => {
            data.variants.iter().flat_map(|v| v.fields.iter()).map(|f| f.ty.clone()).collect()
        }
        Data::Union(_) => Vec::new(),
    }
}

fn encode(input: &DeriveInput) -> Result<TokenStream, Error> {
    let body = match &input.data {
        Data::Struct(data) => {
            let members = members(&data.fields).into_iter().map(|(member, _)| member);
            quote!(#(::crdt::codec::Encode::encode(&self.#members, w);)*)
        }
        Data::Enum(data) => encode_enum(data),
        Data::Union(data) => return Err(Error::new(data.union_token.span, "a union cannot be encoded")),
    };
    let header = plain_header(input, &quote!(::crdt::codec::Encode), &types_of(input));
    Ok(quote! {
        #header {
            fn encode(&self, w: &mut ::crdt::codec::Writer) {
                #body
            }
        }
    })
}

/// The number of the variant, then its fields.
fn encode_enum(data: &DataEnum) -> TokenStream {
    let arms = data.variants.iter().enumerate().map(|(number, variant)| {
        let (name, number) = (&variant.ident, number as u64);
        let members: Vec<Member> = members(&variant.fields).into_iter().map(|(member, _)| member).collect();
        let names: Vec<_> = (0..members.len()).map(|i| format_ident!("field{i}")).collect();
        quote! {
            Self::#name { #(#members: #names),* } => {
                w.u64(#number);
                #(::crdt::codec::Encode::encode(#names, w);)*
            }
        }
    });
    quote!(match self { #(#arms)* })
}

fn decode(input: &DeriveInput) -> Result<TokenStream, Error> {
    let read = quote!(::crdt::codec::Decode::decode(r)?);
    let body = match &input.data {
        Data::Struct(data) => {
            let members = members(&data.fields).into_iter().map(|(member, _)| member);
            quote!(::core::result::Result::Ok(Self { #(#members: #read),* }))
        }
        Data::Enum(data) => {
            let arms = data.variants.iter().enumerate().map(|(number, variant)| {
                let (name, number) = (&variant.ident, number as u64);
                let members = members(&variant.fields).into_iter().map(|(member, _)| member);
                quote!(#number => ::core::result::Result::Ok(Self::#name { #(#members: #read),* }),)
            });
            let unknown = format!("unknown variant of {}", input.ident);
            quote! {
                match r.u64()? {
                    #(#arms)*
                    _ => ::core::result::Result::Err(r.invalid(#unknown)),
                }
            }
        }
        Data::Union(data) => return Err(Error::new(data.union_token.span, "a union cannot be decoded")),
    };
    let header = plain_header(input, &quote!(::crdt::codec::Decode), &types_of(input));
    Ok(quote! {
        #header {
            fn decode(
                r: &mut ::crdt::codec::Reader<'_>,
            ) -> ::core::result::Result<Self, ::crdt::codec::DecodeError> {
                #body
            }
        }
    })
}
