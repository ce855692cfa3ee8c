//! All endpoints in the form of OpenAPI 3: `/openapi.json`.

use serde_json::{Map, Value, json};

use brooklet_core::types::SqlType;
use brooklet_pipeline::serve::Endpoint;

use crate::View;
use crate::routes::ENDPOINTS;

pub fn document(view: &View) -> Value {
    let mut paths = Map::new();
    for endpoint in ENDPOINTS {
        let responses = json!({ "200": { "description": endpoint.doc } });
        let get = json!({ "summary": endpoint.doc, "responses": responses });
        paths.insert(endpoint.path.into(), json!({ "get": get }));
    }
    for endpoint in view.queries() {
        paths.insert(endpoint.path.clone(), json!({ "get": query(endpoint) }));
    }
    json!({
        "openapi": "3.0.3",
        "info": { "title": view.pipeline, "version": view.version },
        "paths": paths,
    })
}

fn query(endpoint: &Endpoint) -> Value {
    let in_path: Vec<&str> = endpoint.in_path().collect();
    let parameters = endpoint.served.parameters.iter().map(|p| {
        let of_path = in_path.contains(&p.name.as_str());
        json!({
            "name": p.name,
            "in": if of_path { "path" } else { "query" },
            "required": of_path || !p.optional,
            "schema": schema(&p.ty),
        })
    });
    let mut columns = Map::new();
    for column in &endpoint.served.columns {
        let mut schema = schema(&column.ty);
        if column.nullable {
            schema["nullable"] = true.into();
        }
        columns.insert(column.name.clone(), schema);
    }
    let rows = json!({
        "type": "array",
        "items": { "type": "object", "properties": columns },
    });
    let mut responses = Map::new();
    let content = json!({ "application/json": { "schema": rows } });
    let description = "The rows, as of one committed epoch.";
    responses.insert("200".into(), json!({ "description": description, "content": content }));
    responses.insert("304".into(), json!({ "description": "They are as If-None-Match says." }));
    let not_found = (!in_path.is_empty()).then_some(("404", "There is no such row."));
    let refusals = [
        ("400", "A parameter is missing or not of its type."),
        ("422", "The answer has too many rows."),
        ("429", "Too many queries are being answered."),
        ("503", "The pipeline is still recovering."),
        ("504", "The query takes too long."),
    ];
    for (code, description) in refusals.into_iter().chain(not_found) {
        responses.insert(code.into(), json!({ "description": description }));
    }
    json!({
        "summary": endpoint.doc,
        "parameters": parameters.collect::<Vec<_>>(),
        "responses": responses,
    })
}

/// How the json format writes a value of the type.
fn schema(ty: &SqlType) -> Value {
    let form = |ty: &str, format: &str| json!({ "type": ty, "format": format });
    match ty {
        SqlType::Boolean => json!({ "type": "boolean" }),
        SqlType::TinyInt | SqlType::SmallInt | SqlType::Int => form("integer", "int32"),
        SqlType::BigInt => form("integer", "int64"),
        SqlType::Float => form("number", "float"),
        SqlType::Double => form("number", "double"),
        SqlType::Decimal(..) => json!({ "type": "number" }),
        SqlType::Binary(_) | SqlType::Varbinary(_) => form("string", "byte"),
        SqlType::Date => form("string", "date"),
        SqlType::Array(item) => json!({ "type": "array", "items": schema(&item.ty) }),
        SqlType::Map(_, value) => {
            json!({ "type": "object", "additionalProperties": schema(&value.ty) })
        }
        SqlType::Multiset(_) => {
            json!({ "type": "object", "additionalProperties": { "type": "integer" } })
        }
        SqlType::Row(fields) => {
            let field = |f: &brooklet_core::types::RowField| (f.name.clone(), schema(&f.ty.ty));
            let fields: Map<String, Value> = fields.iter().map(field).collect();
            json!({ "type": "object", "properties": fields })
        }
        _ => json!({ "type": "string" }),
    }
}
