//! `#[derive(Schema)]`: a struct that a document is read and edited as; `#[derive(Plain)]`: an enum that is a plain value.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::ext::IdentExt;
use syn::spanned::Spanned;
use syn::{Attribute, Data, DeriveInput, Error, Field, Fields, Ident, LitStr};

/// The reader, the editor, and what says that the struct is a place in a document.
pub(crate) fn schema(input: &DeriveInput) -> Result<TokenStream, Error> {
    let Data::Struct(data) = &input.data else {
        let said = "not a struct; an enum without fields derives `Plain` and stands in a `Register`";
        return Err(Error::new(input.ident.span(), said));
    };
    let fields = match &data.fields {
        Fields::Named(fields) if !fields.named.is_empty() => &fields.named,
        Fields::Unnamed(fields) => {
            let said = "places in a document have names; so must the fields of a struct that names them";
            return Err(Error::new(fields.span(), said));
        }
        _ => {
            return Err(Error::new(input.ident.span(), "a struct of no fields names no place in a document"));
        }
    };
    if !input.generics.params.is_empty() {
        let said = "generic structs cannot be: what stands at a place is one type";
        return Err(Error::new(input.generics.span(), said));
    }
    no_options(&input.attrs, "options are those of fields: `#[crdt(name = \"…\")]`")?;
    let fields: Vec<FieldCode<'_>> = fields.iter().map(FieldCode::new).collect::<Result<_, _>>()?;
    let names = fields.iter().map(|field| (field.ident.span(), field.name.as_str()));
    each_once(names)?;

    let (name, vis) = (&input.ident, &input.vis);
    let [reader, editor] = ["Ref", "Mut"].map(|what| format_ident!("{name}{what}"));
    let reads = fields.iter().map(|field| field.method(Side::Read));
    let edits = fields.iter().map(|field| field.method(Side::Edit));
    let levels = fields.iter().map(|field| {
        let ty = &field.field.ty;
        quote_spanned!(there(ty)=> <#ty as ::crdt::doc::schema::Field>::LEVELS)
    });
    let idents = fields.iter().map(|field| field.ident);
    let reader_doc = format!("Reads a [`{name}`] in a document.");
    let editor_doc = format!("Edits a [`{name}`] in a document.");
    Ok(quote! {
        #[doc = #reader_doc]
        #[derive(::core::clone::Clone, ::core::fmt::Debug)]
        #vis struct #reader<'a>(::crdt::doc::schema::FieldRef<'a, #name>);

        #[doc = #editor_doc]
        #[derive(::core::fmt::Debug)]
        #vis struct #editor<'a>(::crdt::doc::schema::FieldMut<'a, #name>);

        #[automatically_derived]
        #[allow(dead_code)]
        impl<'a> #reader<'a> {
            #(#reads)*
        }

        #[automatically_derived]
        #[allow(dead_code)]
        impl #editor<'_> {
            #(#edits)*
        }

        #[automatically_derived]
        impl<'a> ::core::ops::Deref for #reader<'a> {
            type Target = ::crdt::doc::schema::FieldRef<'a, #name>;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        #[automatically_derived]
        impl<'a> ::core::ops::Deref for #editor<'a> {
            type Target = ::crdt::doc::schema::FieldMut<'a, #name>;

            fn deref(&self) -> &Self::Target {
                &self.0
            }
        }

        #[automatically_derived]
        impl ::core::ops::DerefMut for #editor<'_> {
            fn deref_mut(&mut self) -> &mut Self::Target {
                &mut self.0
            }
        }

        #[automatically_derived]
        impl ::crdt::doc::schema::Field for #name {
            type Ref<'a> = #reader<'a>;
            type Mut<'a> = #editor<'a>;
            const KIND: ::crdt::doc::schema::Kind = ::crdt::doc::schema::Kind::MAP;
            const LEVELS: usize = 1 + ::crdt::doc::schema::most(&[#(#levels),*]);

            fn read(at: ::crdt::doc::schema::FieldRef<'_, Self>) -> #reader<'_> {
                #reader(at)
            }

            fn edit(at: ::crdt::doc::schema::FieldMut<'_, Self>) -> #editor<'_> {
                #editor(at)
            }
        }

        #[automatically_derived]
        impl ::crdt::doc::schema::Element for #name {}
        #[automatically_derived]
        impl ::crdt::doc::schema::Container for #name {}
        #[automatically_derived]
        impl ::crdt::doc::schema::Schema for #name {}

        // Nobody makes one or reads its fields: they are there for their types.
        const _: fn(&#name) = |named| {
            #(let _ = &named.#idents;)*
        };
    })
}

/// A type that is no field is told where it stands.
fn there(ty: &syn::Type) -> Span {
    Span::call_site().located_at(ty.span())
}

enum Side {
    Read,
    Edit,
}

struct FieldCode<'a> {
    field: &'a Field,
    ident: &'a Ident,
    /// In the document.
    name: String,
}

impl<'a> FieldCode<'a> {
    fn new(field: &'a Field) -> Result<Self, Error> {
        let ident = field.ident.as_ref().ok_or_else(|| Error::new(field.span(), "a field without a name"))?;
        Ok(FieldCode { field, ident, name: name(ident, &field.attrs)? })
    }

    /// The method of its name, with its documentation and visibility.
    fn method(&self, side: Side) -> TokenStream {
        let FieldCode { field: Field { vis, ty, attrs, .. }, ident, name } = self;
        let docs: Vec<&Attribute> =
            attrs.iter().filter(|attribute| attribute.path().is_ident("doc")).collect();
        let doc = docs.is_empty().then(|| {
            let said = format!("The field `{}`.", ident.unraw());
            quote!(#[doc = #said])
        });
        let there = there(ty);
        let method = match side {
            Side::Read => quote_spanned! {there=>
                #vis fn #ident(&self) -> <#ty as ::crdt::doc::schema::Field>::Ref<'a> {
                    ::crdt::doc::schema::FieldRef::field::<#ty>(&self.0, #name)
                }
            },
            Side::Edit => quote_spanned! {there=>
                #vis fn #ident(&mut self) -> <#ty as ::crdt::doc::schema::Field>::Mut<'_> {
                    ::crdt::doc::schema::FieldMut::field::<#ty>(&mut self.0, #name)
                }
            },
        };
        quote!(#(#docs)* #doc #method)
    }
}

/// An enum without fields as the names of its variants.
pub(crate) fn plain(input: &DeriveInput) -> Result<TokenStream, Error> {
    let Data::Enum(data) = &input.data else {
        let said = "not an enum; a struct of plain values implements `Plain`, one of fields derives `Schema`";
        return Err(Error::new(input.ident.span(), said));
    };
    no_options(&input.attrs, "options are those of variants: `#[crdt(name = \"…\")]`")?;
    if let Some(variant) = data.variants.iter().find(|variant| !matches!(variant.fields, Fields::Unit)) {
        let said = "a variant that holds something is no plain value: implement `Plain`, or make it fields of a struct";
        return Err(Error::new(variant.span(), said));
    }
    if data.variants.is_empty() || !input.generics.params.is_empty() {
        return Err(Error::new(input.ident.span(), "an enum of names has variants, and no generics"));
    }
    let variants: Vec<&Ident> = data.variants.iter().map(|variant| &variant.ident).collect();
    let names: Vec<String> =
        data.variants.iter().map(|variant| name(&variant.ident, &variant.attrs)).collect::<Result<_, _>>()?;
    each_once(variants.iter().map(|variant| variant.span()).zip(names.iter().map(String::as_str)))?;
    let name = &input.ident;
    Ok(quote! {
        #[automatically_derived]
        impl ::crdt::doc::schema::Plain for #name {
            fn into_scalar(self) -> ::crdt::doc::Scalar {
                ::crdt::doc::Scalar::from(match self { #(Self::#variants => #names),* })
            }

            fn from_scalar(scalar: &::crdt::doc::Scalar) -> ::core::option::Option<Self> {
                match scalar {
                    ::crdt::doc::Scalar::Str(name) => match name.as_str() {
                        #(#names => ::core::option::Option::Some(Self::#variants),)*
                        _ => ::core::option::Option::None,
                    },
                    _ => ::core::option::Option::None,
                }
            }
        }
    })
}

/// What a field or variant is called in documents: as in Rust, or as `#[crdt(name = "…")]` says.
fn name(ident: &Ident, attrs: &[Attribute]) -> Result<String, Error> {
    let mut name = ident.unraw().to_string();
    for attribute in attrs.iter().filter(|attribute| attribute.path().is_ident("crdt")) {
        attribute.parse_nested_meta(|meta| {
            if !meta.path.is_ident("name") {
                return Err(meta.error("the one option is `name = \"…\"`"));
            }
            name = meta.value()?.parse::<LitStr>()?.value();
            Ok(())
        })?;
    }
    Ok(name)
}

fn no_options(attrs: &[Attribute], said: &str) -> Result<(), Error> {
    match attrs.iter().find(|attribute| attribute.path().is_ident("crdt")) {
        Some(attribute) => Err(Error::new(attribute.span(), said)),
        None => Ok(()),
    }
}

fn each_once<'a>(names: impl Iterator<Item = (Span, &'a str)>) -> Result<(), Error> {
    let mut seen = Vec::new();
    for (span, name) in names {
        if seen.contains(&name) {
            return Err(Error::new(span, format!("a second one that is called `{name}` in documents")));
        }
        seen.push(name);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(derive: fn(&DeriveInput) -> Result<TokenStream, Error>, code: &str) -> String {
        let input = syn::parse_str(code).expect("code");
        derive(&input).expect_err(code).to_string()
    }

    #[test]
    fn what_cannot_be_is_told_in_words() {
        for (code, part) in [
            ("enum Form { A }", "derives `Plain`"),
            ("union Form { a: Counter }", "not a struct"),
            ("struct Form(Counter);", "have names"),
            ("struct Form {}", "no fields"),
            ("struct Form;", "no fields"),
            ("struct Form<T> { a: Register<T> }", "generic"),
            ("#[crdt(display)] struct Form { a: Counter }", "those of fields"),
            ("struct Form { #[crdt(nme = \"x\")] a: Counter }", "the one option is `name"),
            ("struct Form { #[crdt(name = 3)] a: Counter }", "string literal"),
            ("struct Form { a: Counter, #[crdt(name = \"a\")] b: Counter }", "called `a`"),
            ("struct Form { r#type: Counter, #[crdt(name = \"type\")] b: Counter }", "called `type`"),
        ] {
            assert!(said(schema, code).contains(part), "{}", said(schema, code));
        }
        for (code, part) in [
            ("struct State { a: u8 }", "implements `Plain`"),
            ("enum State { A(u8) }", "holds something"),
            ("enum State {}", "has variants"),
            ("#[crdt(name = \"a\")] enum State { A }", "those of variants"),
            ("enum State { A, #[crdt(name = \"A\")] B }", "called `A`"),
        ] {
            assert!(said(plain, code).contains(part), "{}", said(plain, code));
        }
    }
}
