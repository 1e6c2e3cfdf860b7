//! Schemas as clients read them: named where they have a name, and bodies closed to unknown fields.

use std::collections::BTreeMap;

use utoipa::ToSchema;
use utoipa::openapi::path::Operation;
use utoipa::openapi::schema::{AdditionalProperties, ArrayItems, Object, Schema, SchemaType, Type};
use utoipa::openapi::{Components, Ref, RefOr, Required};

use crate::crypto::tenant_key::KeyPrefix;
use crate::error::shape::{ErrorEnvelope, OauthError, TracedError, ValidationErrors};

/// The shapes of an error.
pub fn add_errors(components: &mut Components) {
    let mut schemas = Vec::new();
    add::<ErrorEnvelope<'_>>(&mut schemas);
    add::<ValidationErrors<'_>>(&mut schemas);
    add::<TracedError<'_>>(&mut schemas);
    add::<OauthError<'_>>(&mut schemas);
    components.schemas.extend(schemas);
}

fn add<T: ToSchema>(schemas: &mut Vec<(String, RefOr<Schema>)>) {
    T::schemas(schemas);
    schemas.push((T::name().into_owned(), T::schema()));
}

/// Generic types hold a copy of what they are generic over. Clients read the name instead, and
/// have one type for one thing.
pub fn name_inner(components: &mut Components) {
    let known = components.schemas.clone();
    for (name, schema) in &mut components.schemas {
        let RefOr::T(Schema::Object(object)) = schema else { continue };
        let Some(data) = object.properties.get_mut("data").filter(|_| is_generic(name)) else { continue };
        let inner = match data {
            RefOr::T(Schema::Array(list)) => match &mut list.items {
                ArrayItems::RefOrSchema(item) => item.as_mut(),
                ArrayItems::False => continue,
            },
            single => single,
        };
        if let Some(reference) = name_of(inner, &known) {
            *inner = RefOr::Ref(reference);
        }
    }
}

/// Writes the pattern of new keys, with the prefix that they have here, in the place of the default one's.
pub fn name_key_prefix(components: &mut Components, prefix: KeyPrefix) {
    let (default, pattern) = (KeyPrefix::DEFAULT.pattern(), prefix.pattern());
    for schema in components.schemas.values_mut() {
        let RefOr::T(schema) = schema else { continue };
        for object in objects(schema) {
            for property in object.properties.values_mut() {
                if let RefOr::T(Schema::Object(text)) = property
                    && text.pattern.as_ref() == Some(&default)
                {
                    text.pattern = Some(pattern.clone());
                }
            }
        }
    }
}

/// The objects that a schema is, or is made of.
fn objects(schema: &mut Schema) -> Vec<&mut Object> {
    match schema {
        Schema::Object(object) => vec![object],
        Schema::AllOf(all) => {
            let parts = all.items.iter_mut().filter_map(|item| match item {
                RefOr::T(Schema::Object(object)) => Some(object),
                _ => None,
            });
            parts.collect()
        }
        _ => Vec::new(),
    }
}

fn is_generic(name: &str) -> bool {
    name.starts_with("Data_") || name.starts_with("List_")
}

fn name_of(schema: &RefOr<Schema>, known: &BTreeMap<String, RefOr<Schema>>) -> Option<Ref> {
    let (name, _) = known.iter().find(|(name, named)| *named == schema && !is_generic(name))?;
    Some(Ref::from_schema_name(name))
}

/// The schema that a reference leads to.
pub fn resolve<'c>(schema: &'c RefOr<Schema>, components: &'c Components) -> Option<&'c Schema> {
    match schema {
        RefOr::T(schema) => Some(schema),
        RefOr::Ref(reference) => match components.schemas.get(name_in(reference))? {
            RefOr::T(schema) => Some(schema),
            RefOr::Ref(_) => None,
        },
    }
}

/// The fields of an object, or of the first of several that a body may be.
pub fn fields<'c>(schema: &'c Schema, components: &'c Components) -> Option<&'c Object> {
    match schema {
        Schema::Object(object) => Some(object),
        Schema::OneOf(either) => fields(resolve(either.items.first()?, components)?, components),
        _ => None,
    }
}

/// An operation's body has no unknown fields, and may be left out where none is required.
pub fn close_body(operation: &mut Operation, components: &mut Components) {
    let Some(RefOr::T(body)) = operation.request_body.as_mut() else { return };
    let Some(RefOr::T(content)) = body.content.get_mut("application/json") else { return };
    let Some(schema) = &mut content.schema else { return };
    close(schema, components);
    let object = resolve(schema, components).and_then(|schema| fields(schema, components));
    let is_optional = object.is_some_and(|object| object.required.is_empty());
    body.required = Some(if is_optional { Required::False } else { Required::True });
}

/// Closes a schema and all that is in it.
fn close(schema: &mut RefOr<Schema>, components: &mut Components) {
    match schema {
        RefOr::Ref(reference) => {
            // Taken out while it is closed, which also ends a circle of references.
            let name = name_in(reference).to_owned();
            if let Some(mut named) = components.schemas.remove(&name) {
                close(&mut named, components);
                components.schemas.insert(name, named);
            }
        }
        // One that says of itself that it takes anything stays open.
        RefOr::T(Schema::Object(object)) if is_object(object) && object.additional_properties.is_none() => {
            object.additional_properties = Some(Box::new(AdditionalProperties::FreeForm(false)));
            object.properties.values_mut().for_each(|property| close(property, components));
        }
        RefOr::T(Schema::OneOf(either)) => either.items.iter_mut().for_each(|item| close(item, components)),
        RefOr::T(Schema::Array(list)) => {
            if let ArrayItems::RefOrSchema(item) = &mut list.items {
                close(item, components);
            }
        }
        RefOr::T(_) => {}
    }
}

fn is_object(object: &Object) -> bool {
    object.schema_type == SchemaType::Type(Type::Object)
}

fn name_in(reference: &Ref) -> &str {
    reference.ref_location.rsplit('/').next().unwrap_or_default()
}
