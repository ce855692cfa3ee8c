//! What a declaration must have.

use brooklet_core::types::SqlType;

use super::CONNECTOR;
use crate::contract::table;

#[test]
fn a_table_needs_a_primary_key() {
    let mut users = table("users", &[("email", SqlType::STRING)], &[]);
    let error = (CONNECTOR.check)(&users).unwrap_err();
    assert!(error.message.contains("PRIMARY KEY"), "{error}");
    std::sync::Arc::make_mut(&mut users).primary_key = vec!["email".into()];
    (CONNECTOR.check)(&users).unwrap();
}
