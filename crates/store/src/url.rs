//! Database URLs in SQLAlchemy's spelling, as they stand in `magnum.conf`. No error repeats the URL: it holds a
//! password.

use std::path::PathBuf;
use std::str::FromStr;

use sea_orm::sqlx::mysql::MySqlConnectOptions;
use sea_orm::sqlx::postgres::PgConnectOptions;

use crate::StoreError;

/// Where the database is.
pub(crate) enum Target {
    /// A file.
    Sqlite(PathBuf),
    /// MariaDB or MySQL.
    MySql(Box<MySqlConnectOptions>),
    /// PostgreSQL.
    Postgres(Box<PgConnectOptions>),
}

/// Reads `dialect[+driver]://...`; the name of Python's driver means nothing here.
pub(crate) fn parse(url: &str) -> Result<Target, StoreError> {
    let (scheme, rest) = url
        .trim()
        .split_once("://")
        .ok_or_else(|| bad("expected dialect://..., such as sqlite:////var/lib/jeroboam.db"))?;
    let dialect = scheme.split('+').next().unwrap_or_default();
    match dialect {
        "sqlite" => sqlite(rest),
        "mysql" | "mariadb" => {
            let url = network(rest).map(|rest| format!("mysql://{rest}"))?;
            let options = MySqlConnectOptions::from_str(&url).map_err(|_| unreadable())?;
            Ok(Target::MySql(Box::new(options)))
        }
        "postgresql" | "postgres" => {
            let url = network(rest).map(|rest| format!("postgres://{rest}"))?;
            let options = PgConnectOptions::from_str(&url).map_err(|_| unreadable())?;
            Ok(Target::Postgres(Box::new(options)))
        }
        _ => Err(bad("the dialect must be sqlite, mysql or postgresql")),
    }
}

/// After `sqlite://` comes a slash and then the path: three slashes are a relative path, four an absolute one.
fn sqlite(rest: &str) -> Result<Target, StoreError> {
    let path = rest.split('?').next().unwrap_or_default();
    match path.strip_prefix('/') {
        Some(path) if !path.is_empty() && path != ":memory:" => Ok(Target::Sqlite(PathBuf::from(path))),
        _ => Err(bad(
            "SQLite needs a file: sqlite:///relative/path or sqlite:////absolute/path",
        )),
    }
}

/// Checks that a database is named and leaves out the options that only Python's drivers know.
fn network(rest: &str) -> Result<String, StoreError> {
    let (place, options) = rest.split_once('?').unwrap_or((rest, ""));
    if place
        .rsplit_once('/')
        .is_none_or(|(_, database)| database.is_empty())
    {
        return Err(bad(
            "it names no database: dialect://user:password@host[:port]/database",
        ));
    }
    let known: Vec<String> = options
        .split('&')
        .filter_map(|option| option.split_once('='))
        .filter_map(|(name, value)| match name {
            "ssl_ca" => Some(format!("ssl-ca={value}")),
            "ssl_cert" => Some(format!("ssl-cert={value}")),
            "ssl_key" => Some(format!("ssl-key={value}")),
            "unix_socket" => Some(format!("socket={value}")),
            "socket" | "host" | "options" | "sslmode" | "ssl-mode" | "sslrootcert" | "ssl-ca" | "sslcert"
            | "ssl-cert" | "sslkey" | "ssl-key" => Some(format!("{name}={value}")),
            _ => None,
        })
        .collect();
    Ok(format!("{place}?{}", known.join("&")))
}

fn bad(reason: &str) -> StoreError {
    StoreError::Url(reason.to_owned())
}

fn unreadable() -> StoreError {
    bad(
        "expected dialect://user:password@host[:port]/database, with special characters of the password as %XX",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_magnum_conf_are_understood() {
        let path = |url: &str| match parse(url) {
            Ok(Target::Sqlite(path)) => path,
            _ => panic!("{url}"),
        };
        assert_eq!(path("sqlite:////var/lib/x.db"), PathBuf::from("/var/lib/x.db"));
        assert_eq!(path("sqlite:///x.db"), PathBuf::from("x.db"));
        let Ok(Target::MySql(options)) = parse("mysql+pymysql://m:p%40ss@db:3307/magnum?charset=utf8") else {
            panic!("mysql")
        };
        assert_eq!((options.get_host(), options.get_port()), ("db", 3307));
        assert_eq!(options.get_charset(), "utf8mb4");
        let Ok(Target::Postgres(options)) = parse("postgresql+psycopg2://m:pw@db/magnum") else {
            panic!("postgresql")
        };
        assert_eq!(options.get_database(), Some("magnum"));
    }

    #[test]
    fn a_malformed_url_is_refused_without_its_password() {
        for url in [
            "hunter2",
            "sqlite://",
            "sqlite:///:memory:",
            "oracle://u:hunter2@db/x",
            "mysql://u:hunter2@db",
            "mysql://u:hunter2@db/",
            "mysql://u:hunter2/@db/magnum",
            "postgresql://u:hunter2@db:port/magnum",
            "postgresql://u:hunter2@db/magnum?sslmode=hunter2",
        ] {
            let Err(error) = parse(url) else { panic!("{url}") };
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{error}");
            assert!(matches!(error, StoreError::Url(_)));
        }
    }
}
