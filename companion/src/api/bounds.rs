//! Bounds of whole numbers in the OpenAPI document: the greatest value of each width, which the document would leave to a format.

use utoipa::Number;
use utoipa::openapi::schema::{AdditionalProperties, ArrayItems, KnownFormat, Object, SchemaFormat};
use utoipa::openapi::{OpenApi, RefOr, Schema};

/// Adds the greatest value to each whole number of the document that names none.
pub(crate) fn add(document: &mut OpenApi) {
    if let Some(components) = &mut document.components {
        components.schemas.values_mut().for_each(of_reference);
    }
    for item in document.paths.paths.values_mut() {
        for operation in
            [&mut item.get, &mut item.post, &mut item.put, &mut item.delete].into_iter().flatten()
        {
            for parameter in operation.parameters.iter_mut().flatten() {
                if let RefOr::T(parameter) = parameter {
                    parameter.schema.iter_mut().for_each(of_reference);
                }
            }
        }
    }
}

fn of_reference(schema: &mut RefOr<Schema>) {
    if let RefOr::T(schema) = schema {
        of_schema(schema);
    }
}

fn of_schema(schema: &mut Schema) {
    match schema {
        Schema::Object(object) => of_object(object),
        Schema::Array(array) => {
            if let ArrayItems::RefOrSchema(items) = &mut array.items {
                of_reference(items);
            }
            array.prefix_items.iter_mut().for_each(of_schema);
        }
        Schema::OneOf(one) => one.items.iter_mut().for_each(of_reference),
        Schema::AllOf(all) => all.items.iter_mut().for_each(of_reference),
        Schema::AnyOf(any) => any.items.iter_mut().for_each(of_reference),
        _ => {}
    }
}

fn of_object(object: &mut Object) {
    object.properties.values_mut().for_each(of_reference);
    if let Some(AdditionalProperties::RefOr(values)) = object.additional_properties.as_deref_mut() {
        of_reference(values);
    }
    let most = match &object.format {
        Some(SchemaFormat::KnownFormat(KnownFormat::UInt8)) => u64::from(u8::MAX),
        Some(SchemaFormat::KnownFormat(KnownFormat::UInt16)) => u64::from(u16::MAX),
        Some(SchemaFormat::KnownFormat(KnownFormat::UInt32)) => u64::from(u32::MAX),
        Some(SchemaFormat::KnownFormat(KnownFormat::UInt64)) => u64::MAX,
        _ => return,
    };
    object.maximum.get_or_insert(Number::from(most));
}
