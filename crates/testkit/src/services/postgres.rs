//! A fresh database of the test server.

use std::sync::Arc;

use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::{block_on, unique};

/// One database, made for one test; the server deletes it when the services go down.
pub struct Postgres {
    client: Arc<Client>,
    config: tokio_postgres::Config,
}

impl Postgres {
    /// An empty database on the server of `BROOKLET_TEST_POSTGRES`.
    pub fn from_env() -> Option<Self> {
        std::env::var("BROOKLET_TEST_POSTGRES").ok().map(|url| Postgres::at(&url))
    }
    /// An empty database on the server of `url`, which names one that exists.
    pub fn at(url: &str) -> Self {
        let mut config: tokio_postgres::Config = url.parse().expect("the URL is well-formed");
        let server = Postgres { client: connect(&config), config: config.clone() };
        let name = unique("test").replace('-', "_");
        server.run(&format!("CREATE DATABASE {name}"));
        config.dbname(&name);
        Postgres { client: connect(&config), config }
    }

    /// Another session in the same database, as after the server was restarted.
    pub fn reconnect(&self) -> Self {
        Postgres { client: connect(&self.config), config: self.config.clone() }
    }

    /// `jdbc:postgresql://host:port/database`, for the connector's `url`.
    pub fn jdbc_url(&self) -> String {
        let [tokio_postgres::config::Host::Tcp(host), ..] = self.config.get_hosts() else {
            panic!("the URL names a host")
        };
        format!("jdbc:postgresql://{host}:{}/{}", self.port(), self.database())
    }
    pub fn port(&self) -> u16 {
        self.config.get_ports()[0]
    }
    pub fn database(&self) -> &str {
        self.config.get_dbname().expect("set by at")
    }
    pub fn user(&self) -> &str {
        self.config.get_user().expect("the URL names a user")
    }
    pub fn password(&self) -> &str {
        let password = self.config.get_password().expect("the URL holds a password");
        std::str::from_utf8(password).expect("the password is text")
    }

    /// Runs statements; panics with the server's message when one fails.
    pub fn run(&self, sql: &str) {
        let (client, text) = (self.client.clone(), sql.to_string());
        let done = block_on(async move { client.batch_execute(&text).await });
        done.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }
    /// The rows of a query as the server writes them; None is NULL.
    pub fn rows(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.try_rows(sql).unwrap_or_else(|e| panic!("{sql}: {e:?}"))
    }
    /// As `rows`, for a server that may be down or a table that may not exist yet.
    pub fn try_rows(&self, sql: &str) -> Result<Vec<Vec<Option<String>>>, tokio_postgres::Error> {
        let (client, sql) = (self.client.clone(), sql.to_string());
        let messages = block_on(async move { client.simple_query(&sql).await })?;
        let row = |message: SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => {
                Some((0..row.len()).map(|i| row.get(i).map(str::to_string)).collect())
            }
            _ => None,
        };
        Ok(messages.into_iter().filter_map(row).collect())
    }
    /// The one value of a query, as a number.
    pub fn number(&self, sql: &str) -> i64 {
        let rows = self.rows(sql);
        let value = rows.first().and_then(|r| r.first()).cloned().flatten();
        let value = value.unwrap_or_else(|| panic!("{sql}: no value"));
        value.parse().unwrap_or_else(|_| panic!("{sql}: {value} is not a whole number"))
    }
}

fn connect(config: &tokio_postgres::Config) -> Arc<Client> {
    let config = config.clone();
    let (client, connection) =
        block_on(async move { config.connect(NoTls).await }).expect("Postgres answers");
    super::runtime().spawn(async move {
        // Ends with the client, or with the server in a restart test: calls then fail.
        let _ = connection.await;
    });
    Arc::new(client)
}

#[cfg(test)]
mod tests {
    use super::Postgres;

    #[test]
    fn every_test_has_a_database_of_its_own() {
        let Some(one) = Postgres::from_env() else { return };
        let two = Postgres::from_env().expect("as above");
        one.run("CREATE TABLE t (a INT, b TEXT); INSERT INTO t VALUES (1, 'x'), (2, NULL)");
        let expected = vec![
            vec![Some("1".to_string()), Some("x".to_string())],
            vec![Some("2".to_string()), None],
        ];
        assert_eq!(one.rows("SELECT a, b FROM t ORDER BY a"), expected);
        assert_eq!(one.number("SELECT count(*) FROM t"), 2);
        assert!(two.try_rows("SELECT * FROM t").is_err());
        assert_ne!(one.jdbc_url(), two.jdbc_url());
    }

    #[tokio::test]
    async fn calls_may_be_made_from_async_tests() {
        let Some(postgres) = Postgres::from_env() else { return };
        assert_eq!(postgres.number("SELECT 1"), 1);
    }
}
