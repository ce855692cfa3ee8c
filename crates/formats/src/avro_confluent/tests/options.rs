//! Who we are to the registry, and what is wrong with that.

use brooklet_core::Result;

use super::*;
use crate::avro_confluent::options::{Access, Login, access};

const URL: (&str, &str) = ("url", "http://localhost:8081");

fn of(pairs: &[(&str, &str)]) -> Result<Access> {
    access(&options_of(pairs))
}

fn basic(name: &str, password: &str) -> Login {
    Login::Basic { name: name.to_string(), password: password.to_string() }
}

#[test]
fn name_and_password_or_a_token() {
    let login = |pairs: &[(&str, &str)]| of(&[&[URL], pairs].concat()).unwrap().login;
    let user_info = ("basic-auth.user-info", "me:pass:word");
    let token = ("bearer-auth.token", "abc");
    assert!(login(&[]) == Login::None);
    assert!(login(&[user_info]) == basic("me", "pass:word"));
    assert!(
        login(&[user_info, ("basic-auth.credentials-source", "USER_INFO")])
            == basic("me", "pass:word")
    );
    assert!(login(&[token]) == Login::Bearer("abc".to_string()));
    assert!(login(&[("properties.bearer.auth.token", "abc")]) == Login::Bearer("abc".to_string()));
    let properties = [
        ("properties.basic.auth.credentials.source", "USER_INFO"),
        ("properties.basic.auth.user.info", "me:x"),
    ];
    assert!(login(&properties) == basic("me", "x"));
    // Flink's own options come first.
    assert!(login(&[properties[1], user_info]) == basic("me", "pass:word"));
}

#[test]
fn an_address_may_have_a_name_and_a_password_which_are_not_shown() {
    let access = of(&[("url", " https://me:p%40ss+@a.example/base , http://b.example:8081/ ")]);
    let access = access.unwrap();
    assert!(access.login == basic("me", "p@ss+"));
    let urls: Vec<&str> = access.urls.iter().map(|url| url.as_str()).collect();
    assert_eq!(urls, ["https://a.example/base/", "http://b.example:8081/"]);
}

#[test]
fn what_is_wrong_is_named_and_secrets_are_not() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), b"\xfe\xed\xfe\xed a store of Java").unwrap();
    let store = file.path().to_str().unwrap();
    for (pairs, says) in [
        (vec![("url", "localhost:8081")], "'avro-confluent.url' is no address"),
        (vec![("url", "http://me:hunter2@")], "'avro-confluent.url' is no address"),
        (vec![("url", " , ")], "'avro-confluent.url' is empty"),
        (vec![URL, ("basic-auth.user-info", "hunter2")], "is not name:password"),
        (
            vec![URL, ("basic-auth.credentials-source", "USER_INFO")],
            "needs option 'avro-confluent.basic-auth.user-info'",
        ),
        (vec![URL, ("basic-auth.credentials-source", "SASL_INHERIT")], "is not USER_INFO or URL"),
        (vec![URL, ("properties.bearer.auth.credentials.source", "X")], "is not STATIC_TOKEN"),
        (
            vec![URL, ("basic-auth.user-info", "me:hunter2"), ("bearer-auth.token", "hunter2")],
            "not both",
        ),
        (vec![URL, ("properties.max.schemas", "hunter2")], "is not known; known are basic.auth."),
        (vec![URL, ("properties.http.read.timeout.ms", "1 s")], "no number of milliseconds"),
        (vec![URL, ("ssl.truststore.location", "/no/such.pem")], "'/no/such.pem' cannot be read"),
        (vec![URL, ("ssl.truststore.location", store)], "is no PEM"),
        (vec![URL, ("ssl.keystore.location", store)], "is no PEM"),
    ] {
        let fault = of(&pairs).err().unwrap_or_else(|| panic!("{pairs:?}")).to_string();
        assert!(fault.contains(says), "{pairs:?}: {fault}");
        assert!(!fault.contains("hunter2"), "{fault}");
    }
}
