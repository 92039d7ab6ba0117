//! Reading a request: statement, database, format, settings and parameters.

use bytes::Bytes;
use hyper::HeaderMap;

use super::ffi::Parameter;

/// What a request asks for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ask {
    pub(super) sql: Option<String>,
    pub(super) database: Option<String>,
    pub(super) format: String,
    /// The client wants the whole answer before the first byte.
    pub(super) buffered: bool,
    pub(super) settings: Vec<(String, String)>,
    pub(super) parameters: Vec<Parameter>,
}

impl Ask {
    pub(super) fn from_query(query: &str, headers: &HeaderMap) -> Result<Self, String> {
        let header = |name| {
            headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        let mut ask = Self {
            database: header("x-clickhouse-database"),
            format: header("x-clickhouse-format").unwrap_or_else(|| "TabSeparated".into()),
            ..Self::default()
        };
        for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match &*name {
                "query" => ask.sql = Some(value),
                "database" => ask.database = Some(value),
                "default_format" => ask.format = value,
                "wait_end_of_query" => ask.buffered = value == "1",
                "compress" | "decompress" if value != "0" => {
                    return Err("the embedded engine serves without compression".into());
                }
                // Belong to a server with users, sessions and compression.
                "query_id"
                | "session_id"
                | "session_timeout"
                | "session_check"
                | "role"
                | "user"
                | "password"
                | "quota_key"
                | "buffer_size"
                | "enable_http_compression"
                | "compress"
                | "decompress" => {}
                name => match name.strip_prefix("param_") {
                    Some(parameter) => ask.parameters.push((parameter.to_owned(), value)),
                    None if is_word(name) => ask.settings.push((name.to_owned(), value)),
                    None => return Err(format!("not a setting: {name:?}")),
                },
            }
        }
        Ok(ask)
    }

    /// Takes the statement (or the rest of it) and form parameters from the body.
    pub(super) fn read_body(&mut self, headers: &HeaderMap, body: &Bytes) -> Result<(), String> {
        let kind = headers
            .get("content-type")
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        if let Some(boundary) = kind
            .strip_prefix("multipart/form-data")
            .and_then(|rest| rest.split_once("boundary="))
        {
            for (name, value) in form_fields(body, boundary.1.trim_matches('"'))? {
                match name.strip_prefix("param_") {
                    Some(parameter) => self.parameters.push((parameter.to_owned(), value)),
                    None if name == "query" => self.sql = Some(value),
                    None => return Err(format!("unknown form field {name:?}")),
                }
            }
            return Ok(());
        }
        let text =
            std::str::from_utf8(body).map_err(|_| "the statement is not UTF-8 text".to_owned())?;
        match &mut self.sql {
            Some(sql) if !text.is_empty() => {
                sql.push('\n');
                sql.push_str(text);
            }
            Some(_) => {}
            None => self.sql = Some(text.to_owned()),
        }
        Ok(())
    }

    /// Whether the rows may go out as the engine makes them. It formats every block on its own, so only formats
    /// whose blocks can be concatenated qualify, and it streams queries only.
    pub(super) fn streams(&self, sql: &str) -> bool {
        const CONCATENABLE: [&str; 5] = [
            "RowBinary",
            "RowBinaryWithNamesAndTypes",
            "JSONEachRow",
            "JSONCompactEachRow",
            "CSV",
        ];
        let word = sql
            .trim_start()
            .split(|c: char| !c.is_ascii_alphabetic())
            .next()
            .unwrap_or_default();
        !self.buffered
            && CONCATENABLE.contains(&&*self.format)
            && (word.eq_ignore_ascii_case("select") || word.eq_ignore_ascii_case("with"))
    }
}

/// The fields of a `multipart/form-data` body.
fn form_fields(body: &[u8], boundary: &str) -> Result<Vec<(String, String)>, String> {
    let text = std::str::from_utf8(body).map_err(|_| "the form is not UTF-8 text".to_owned())?;
    let mark = format!("--{boundary}");
    text.split(&mark)
        .filter_map(|part| part.strip_prefix("\r\n"))
        .map(|part| {
            let (head, value) = part
                .split_once("\r\n\r\n")
                .ok_or("a form field without a body")?;
            let name = head
                .split("name=\"")
                .nth(1)
                .and_then(|rest| rest.split('"').next());
            let value = value
                .strip_suffix("\r\n")
                .ok_or("a form field without an end")?;
            Ok((
                name.ok_or("a form field without a name")?.to_owned(),
                value.to_owned(),
            ))
        })
        .collect()
}

/// Splits `INSERT INTO t(…) FORMAT X` into the statement and the format; `None` for anything else.
pub(super) fn split_insert(sql: &str) -> Option<(String, String)> {
    let sql = sql.trim();
    if !sql.get(..6)?.eq_ignore_ascii_case("insert") {
        return None;
    }
    let (head, format) = sql.rsplit_once(char::is_whitespace)?;
    let (head, keyword) = head.trim_end().rsplit_once(char::is_whitespace)?;
    (keyword.eq_ignore_ascii_case("format") && is_word(format))
        .then(|| (head.trim_end().to_owned(), format.to_owned()))
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_insert_is_told_from_its_format() {
        assert_eq!(
            split_insert(" INSERT INTO cdr (a, b)\nFORMAT RowBinary "),
            Some(("INSERT INTO cdr (a, b)".into(), "RowBinary".into()))
        );
        for other in [
            "INSERT INTO t SELECT 1",
            "INSERT INTO t VALUES (1)",
            "SELECT 1 FORMAT CSV",
            "",
            "insert",
        ] {
            assert_eq!(split_insert(other), None, "{other}");
        }
    }

    #[test]
    fn settings_are_words() {
        let headers = HeaderMap::new();
        assert!(Ask::from_query("a%20%3D%201%2C%20b=1", &headers).is_err());
        assert!(Ask::from_query("decompress=1", &headers).is_err());
        let ask = Ask::from_query("param_x=1&max_block_size=2&query_id=3", &headers).expect("fine");
        assert_eq!(ask.parameters, [("x".to_owned(), "1".to_owned())]);
        assert_eq!(
            ask.settings,
            [("max_block_size".to_owned(), "2".to_owned())]
        );
    }

    #[test]
    fn a_form_is_read_field_by_field() {
        let body = "--B\r\nContent-Disposition: form-data; name=\"query\"\r\n\r\nSELECT 1\r\n\
                    --B\r\nContent-Disposition: form-data; name=\"param_a\"\r\n\r\nx\r\ny\r\n--B--\r\n";
        let fields = form_fields(body.as_bytes(), "B").expect("a form");
        assert_eq!(
            fields,
            [
                ("query".into(), "SELECT 1".into()),
                ("param_a".into(), "x\r\ny".into())
            ]
        );
    }
}
