//! `dead-letters`: records that could not be decoded.

use brooklet_connectors::memory::Store;

use crate::run::Home;

fn sql(to: &str, more: &str) -> String {
    format!(
        "CREATE TABLE events (id BIGINT, note STRING)
           WITH ('connector' = 'filesystem', 'path' = 'in', 'format' = 'json');
         CREATE TABLE copy (id BIGINT, note STRING)
           WITH ('connector' = 'memory', 'name' = '{to}');
         SET 'brooklet.epoch.max-rows' = '3';
         {more}
         INSERT INTO copy SELECT id, note FROM events;"
    )
}

const LINES: [&[u8]; 7] = [
    b"{\"id\": 1, \"note\": \"a\"}",
    b"{\"id\": 2, \"note\": \"b\"",
    b"{\"id\": 3, \"note\": \"c\"}",
    b"{\"id\": \"\xff\", \"note\": \"d\"}",
    b"not json",
    b"{\"id\": 6, \"note\": \"f\"}",
    b"{\"id\": 7}",
];

fn input(home: &Home) {
    std::fs::create_dir(home.path("in")).unwrap();
    let mut content = LINES.join(&b'\n');
    content.push(b'\n');
    home.write("in/a.json", content);
}

#[tokio::test]
async fn records_that_cannot_be_decoded_go_to_a_path() {
    let set = "SET 'brooklet.table.events.dead-letters' = './dead';";
    let home = Home::new(sql("dead-path", set));
    input(&home);
    let ended = home.run_to_end().await;
    let copied: usize = Store::named("dead-path").rows_of("copy").iter().map(|d| d.len()).sum();
    assert_eq!(copied, 4);
    let lines = home.lines("dead");
    let seen: Vec<(i64, &str, &str)> = lines
        .iter()
        .map(|l| {
            let text = |name: &str| l[name].as_str().unwrap();
            assert_eq!((text("kind"), text("source")), ("dead", "events"));
            assert!(!text("reason").is_empty() && l["row"].is_null());
            (l["offset"].as_i64().unwrap(), text("bytes"), text("encoding"))
        })
        .collect();
    let wanted = [
        (1, "{\"id\": 2, \"note\": \"b\"", "utf-8"),
        (3, "eyJpZCI6ICL/IiwgIm5vdGUiOiAiZCJ9", "base64"),
        (4, "not json", "utf-8"),
    ];
    assert_eq!(seen, wanted);
    assert_eq!((ended.progress.dead, ended.progress.dead_of["events"]), (3, 3));
    let counts = ended.progress.read["events"];
    assert_eq!((counts.read, counts.decoded, counts.dead), (7, 4, 3));
}

#[tokio::test]
async fn dead_letters_are_logged_by_default() {
    let home = Home::new(sql("dead-log", ""));
    input(&home);
    let ended = home.run_to_end().await;
    assert_eq!(ended.progress.dead, 3);
}

#[tokio::test]
async fn both_kinds_may_share_a_path() {
    let set = "SET 'brooklet.table.events.dead-letters' = './aside';
               SET 'brooklet.table.events.late-records' = './aside';";
    let home = Home::new(sql("dead-shared", set));
    input(&home);
    home.run_to_end().await;
    assert_eq!(home.lines("aside").len(), 3);
}
