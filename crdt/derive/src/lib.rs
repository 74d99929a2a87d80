//! The derive macros of the `crdt` crate; use them through its feature `derive`.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::spanned::Spanned;
use syn::{Data, DataEnum, DeriveInput, Error, Fields, GenericParam, Generics, Index, Member, Type};

/// Makes a struct of CRDTs a CRDT: `DotStore`, `Encode` and `Decode`, field by field.
///
/// The struct must also derive `Clone`, `Default`, `PartialEq` and `Debug`. With `#[crdt(display)]` it is `Display`,
/// too.
#[proc_macro_derive(Crdt, attributes(crdt))]
pub fn derive_crdt(input: proc_macro::TokenStream) -> proc_macro::TokenStream {
    run(input, |input| {
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
        Data::Enum(data) => {
            return Err(Error::new(
                data.enum_token.span,
                "an enum cannot be merged field by field: two replicas may show different variants. Hold it in a \
                 register (`LwwRegister<YourEnum>` or `MvRegister<YourEnum>`, with `#[derive(Encode, Decode)]`), or \
                 make it a struct with one CRDT for each variant",
            ));
        }
        Data::Union(data) => {
            return Err(Error::new(data.union_token.span, "a union cannot be merged"));
        }
    };
    for field in fields {
        if let Some(attribute) = field.attrs.iter().find(|a| a.path().is_ident("crdt")) {
            return Err(Error::new(
                attribute.span(),
                "there are no options for fields: one that is left out would differ between replicas. Keep what is \
                 local in a struct around this one",
            ));
        }
    }
    if fields.is_empty() {
        return Err(Error::new(input.ident.span(), "a CRDT has at least one field"));
    }
    Ok(members(fields))
}

/// Whether the struct is marked `#[crdt(display)]`.
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
    let header = plain_header(input, &quote!(::core::fmt::Display), &types);
    quote! {
        #header {
            fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                struct Shown<'a>(&'a dyn ::core::fmt::Display);
                impl ::core::fmt::Debug for Shown<'_> {
                    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
                        ::core::fmt::Display::fmt(self.0, f)
                    }
                }
                f.debug_struct(#name)#(.field(#names, &Shown(&self.#members)))*.finish()
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
