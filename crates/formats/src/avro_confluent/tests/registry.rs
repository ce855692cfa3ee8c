//! The client: against a real registry, and against answers that one rarely gives.

#![allow(clippy::disallowed_methods, reason = "a server that is not ours has threads of its own")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;

use apache_avro::reader::datum::GenericDatumReader;
use arrow::array::{Int32Array, StringArray};
use brooklet_core::format::EncodeSpec;
use brooklet_core::schemas::Found;
use brooklet_core::{Delta, Error, ErrorKind, Result};
use brooklet_testkit::services;

use super::*;
use crate::avro_confluent::registry::Registry;
use crate::avro_confluent::{encode, wire};

fn wait<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(future)
}

/// Answers one request after the other, on an address of its own; gives what it was asked.
fn server(answers: Vec<(u16, &'static str)>) -> (String, std::thread::JoinHandle<Vec<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let asked = std::thread::spawn(move || {
        let answer = |(code, body): (u16, &str)| {
            let (mut stream, _) = listener.accept().unwrap();
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                reader.read_line(&mut head).unwrap();
            }
            let head = head.to_lowercase();
            let length = head.split("content-length: ").nth(1);
            let length = length.and_then(|rest| rest.lines().next()?.parse().ok()).unwrap_or(0);
            let mut given = vec![0; length];
            reader.read_exact(&mut given).unwrap();
            let length = body.len();
            let head_of_answer = format!("HTTP/1.1 {code} x\r\nConnection: close\r\n");
            write!(stream, "{head_of_answer}Content-Length: {length}\r\n\r\n{body}").unwrap();
            head + &String::from_utf8(given).unwrap()
        };
        answers.into_iter().map(answer).collect()
    });
    (address, asked)
}

/// What schema 7 is, according to one answer.
fn answered(code: u16, body: &'static str) -> Result<Found> {
    let (url, _asked) = server(vec![(code, body)]);
    wait(Registry::new(&options_of(&[("url", &url)])).unwrap().schema(7))
}

#[test]
fn that_there_is_no_schema_is_an_answer_of_registries_only() {
    let found = |code, body| answered(code, body).unwrap();
    let missing = |text: &str| Found::Missing(text.into());
    assert_eq!(found(200, r#"{"schema":"\"int\""}"#), Found::Schema("\"int\"".into()));
    assert_eq!(
        found(404, r#"{"error_code":40403,"message":"Schema not found"}"#),
        missing("the schema registry has no schema 7")
    );
    assert_eq!(
        found(200, r#"{"schema":"{}","schemaType":"JSON"}"#),
        missing("schema 7 is one of JSON, not of Avro")
    );
    assert_eq!(
        found(
            200,
            r#"{"schema":"{}","references":[{"name":"a.B","subject":"b-value","version":2}]}"#
        ),
        missing(
            "schema 7 refers to other schemas, which is not offered: a.B (subject b-value, \
             version 2)"
        )
    );
}

#[test]
fn whether_to_try_again() {
    let fault = |code, body| -> Error { answered(code, body).unwrap_err() };
    for (code, body, retry, says) in [
        (500, r#"{"error_code":50001,"message":"store is down"}"#, true, "store is down"),
        (503, "", true, "503"),
        (429, "", true, "429"),
        (401, r#"{"error_code":401,"message":"Unauthorized"}"#, false, "Unauthorized"),
        (403, "", false, "403"),
        (404, "<html>", false, "404"),
        (200, "<html>", false, "is no schema registry: is 'avro-confluent.url' right?"),
    ] {
        let fault = fault(code, body);
        assert_eq!((fault.kind, fault.retry), (ErrorKind::Outside, retry), "{code}: {fault}");
        assert!(fault.message.contains(says), "{code}: {fault}");
    }
    let nobody = {
        let (url, asked) = server(vec![]);
        asked.join().unwrap();
        url
    };
    let registry = Registry::new(&options_of(&[("url", &nobody)])).unwrap();
    for fault in [wait(registry.schema(7)).unwrap_err(), wait(registry.reach()).unwrap_err()] {
        assert!(fault.retry);
        assert!(fault.message.contains("does not answer: Connection refused"), "{fault}");
    }
    // The next address is as good.
    let (url, _asked) = server(vec![(200, r#"{"schema":"x"}"#)]);
    let both = format!("{nobody},{url}");
    let registry = Registry::new(&options_of(&[("url", &both)])).unwrap();
    assert_eq!(wait(registry.schema(7)).unwrap(), Found::Schema("x".into()));
}

#[test]
fn requests_say_who_asks_for_what() {
    let ask = |pairs: &[(&str, &str)], base: &str| {
        let (url, asked) = server(vec![(200, r#"{"id":3}"#)]);
        let url = format!("{url}{base}");
        let registry = Registry::new(&options_of(&[pairs, &[("url", &url)]].concat())).unwrap();
        assert_eq!(wait(registry.id("a/b c-value", "\"int\"", true)).unwrap(), 3);
        asked.join().unwrap().remove(0)
    };
    let asked = ask(&[("basic-auth.user-info", "me:secret")], "/apis/v7");
    assert!(
        asked.starts_with("post /apis/v7/subjects/a%2fb%20c-value/versions http/1.1"),
        "{asked}"
    );
    // base64 of me:secret, in the lower case of the request's head.
    assert!(asked.contains("authorization: basic bwu6c2vjcmv0"), "{asked}");
    assert!(asked.contains("content-type: application/vnd.schemaregistry.v1+json"), "{asked}");
    assert!(asked.ends_with(r#"{"schema":"\"int\""}"#), "{asked}");
    let asked = ask(&[("bearer-auth.token", "abc")], "/");
    assert!(asked.contains("authorization: bearer abc"), "{asked}");
    assert!(asked.starts_with("post /subjects/"), "{asked}");
}

/// Kafka's listener for TLS is no registry, but who is there is settled before that.
#[test]
fn certificates_of_the_trust_store_are_trusted() {
    let [Ok(address), Ok(file)] =
        ["BROOKLET_TEST_KAFKA_LOGIN", "BROOKLET_TEST_KAFKA_CA"].map(std::env::var)
    else {
        return;
    };
    let url = format!("https://{address}");
    let fault = |pairs: &[(&str, &str)]| {
        let registry = Registry::new(&options_of(&[&[("url", url.as_str())], pairs].concat()));
        wait(registry.unwrap().reach()).unwrap_err().to_string()
    };
    let unknown = fault(&[]);
    assert!(unknown.contains("certificate"), "{unknown}");
    for option in ["ssl.truststore.location", "properties.schema.registry.ssl.truststore.location"]
    {
        let trusted = fault(&[(option, file.as_str()), ("properties.http.read.timeout.ms", "500")]);
        assert!(!trusted.contains("certificate"), "{trusted}");
    }
}

fn people() -> RecordBatch {
    let schema = table(&[("id!", SqlType::Int), ("name", SqlType::STRING)]);
    let name = StringArray::from(vec![Some("a"), None]);
    RecordBatch::try_new(schema, vec![Arc::new(Int32Array::from(vec![1, 2])), Arc::new(name)])
        .unwrap()
}

/// The people's records, written under that subject.
fn written(url: &str, subject: &str, more: &[(&str, &str)]) -> Result<Vec<Vec<u8>>> {
    let rows = people();
    let options = options_of(&[&[("url", url)], more].concat());
    let spec = EncodeSpec { schema: rows.schema(), options };
    let mut encoder = wait(encode::open(spec, subject.to_string()))?;
    let records = encoder.encode(&Delta::inserts(rows))?;
    Ok(records.iter().map(<[u8]>::to_vec).collect())
}

#[test]
fn a_sink_registers_its_schema_and_writes_records_that_others_can_read() {
    let Some(registry) = services::Registry::from_env() else { return };
    let subject = registry.subject("written");
    let records = written(registry.url(), &subject, &[]).unwrap();
    let (id, schema) = registry.latest(&subject).unwrap();
    // As Flink derives it.
    let flinks = r#"{"type":"record","name":"record","namespace":"org.apache.flink.avro.generated",
        "fields":[{"name":"id","type":"int"},
                  {"name":"name","type":["null","string"],"default":null}]}"#;
    let json = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
    assert_eq!(json(&schema), json(flinks));
    let parsed = apache_avro::Schema::parse_str(&schema).unwrap();
    let reader = GenericDatumReader::builder(&parsed).build().unwrap();
    let read = records.iter().map(|record| {
        let (of, mut value) = wire::split(record).unwrap();
        assert_eq!(of, id);
        reader.read_value(&mut value).unwrap()
    });
    let person = |id, name| {
        Value::Record(vec![("id".to_string(), Value::Int(id)), ("name".to_string(), name)])
    };
    let expected = [person(1, branch(1, text("a"))), person(2, branch(0, Value::Null))];
    assert_eq!(read.collect::<Vec<_>>(), expected);
    // Again: no new version.
    assert_eq!(written(registry.url(), &subject, &[]).unwrap(), records);
    assert_eq!(registry.latest(&subject).unwrap().0, id);
}

#[test]
fn a_schema_that_is_not_compatible_is_refused_with_the_registrys_reason() {
    let Some(registry) = services::Registry::from_env() else { return };
    let subject = registry.subject("refused");
    registry.register(
        &subject,
        r#"{"type":"record","name":"record","namespace":"org.apache.flink.avro.generated",
            "fields":[{"name":"id","type":"string"}]}"#,
    );
    registry.allow(&subject, "BACKWARD");
    let fault = written(registry.url(), &subject, &[]).unwrap_err();
    assert_eq!((fault.kind, fault.retry, fault.exit_code()), (ErrorKind::Outside, false, 1));
    let says = [subject.as_str(), "not compatible", "/fields/0/type"];
    assert!(says.iter().all(|text| fault.message.contains(text)), "{fault}");
}

#[test]
fn without_auto_register_the_schema_must_be_there() {
    let Some(registry) = services::Registry::from_env() else { return };
    let subject = registry.subject("by-hand");
    let by_hand = [("auto.register.schemas", "false")];
    let fault = written(registry.url(), &subject, &by_hand).unwrap_err();
    assert!(!fault.retry && fault.message.contains("auto.register.schemas"), "{fault}");
    assert_eq!(registry.latest(&subject), None);
    let records = written(registry.url(), &subject, &[]).unwrap();
    assert_eq!(written(registry.url(), &subject, &by_hand).unwrap(), records);
}

#[test]
fn schemas_of_a_real_registry() {
    let Some(registry) = services::Registry::from_env() else { return };
    let client = Registry::new(&options_of(&[("url", registry.url())])).unwrap();
    wait(client.reach()).unwrap();
    let int = r#"{"type":"record","name":"r","fields":[{"name":"a","type":"int"}]}"#;
    let subject = registry.subject("read");
    let id = registry.register(&subject, int);
    let Found::Schema(text) = wait(client.schema(id)).unwrap() else { panic!("it is there") };
    assert_eq!(
        serde_json::from_str::<serde_json::Value>(&text).unwrap(),
        serde_json::from_str::<serde_json::Value>(int).unwrap()
    );
    let none = Found::Missing("the schema registry has no schema 2000000000".into());
    assert_eq!(wait(client.schema(2_000_000_000)).unwrap(), none);
    let other = registry.subject("referring");
    let referring = r#"{"type":"record","name":"s","fields":[{"name":"r","type":"r"}]}"#;
    let of = serde_json::json!([{"name": "r", "subject": subject, "version": 1}]);
    let id = registry.add(&other, &serde_json::json!({"schema": referring, "references": of}));
    let Found::Missing(reason) = wait(client.schema(id)).unwrap() else { panic!("not offered") };
    assert!(reason.contains(&format!("r (subject {subject}, version 1)")), "{reason}");
}
