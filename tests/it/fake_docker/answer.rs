//! Answers in dockerd's form.

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

/// A JSON body.
pub fn value(status: u16, body: &Value) -> Response {
    let status = StatusCode::from_u16(status).expect("a status");
    (status, [("content-type", "application/json")], body.to_string()).into_response()
}

/// No body.
pub fn empty(status: u16) -> Response {
    StatusCode::from_u16(status).expect("a status").into_response()
}

/// A refusal, as dockerd words it.
pub fn error(status: u16, message: &str) -> Response {
    value(status, &json!({ "message": message }))
}

/// `No such container`.
pub fn no_container(id: &str) -> Response {
    error(404, &format!("No such container: {id}"))
}

/// The head of an answer, and then nothing for ever.
pub fn stalled() -> Response {
    let silence = futures_util::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    (StatusCode::OK, [("content-type", "application/json")], Body::from_stream(silence)).into_response()
}
