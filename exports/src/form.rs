//! How a file is spelt: its format, and what may be chosen beside it.

use std::str::FromStr as _;

use domain::{Error, Result};
use serde::{Deserialize, Serialize};
use strum::{AsRefStr, EnumMessage, EnumString, VariantArray};

use crate::Format;

/// Whether the whole of a file is compressed.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    AsRefStr,
    Deserialize,
    EnumMessage,
    EnumString,
    Serialize,
    VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Compression {
    /// As it is.
    #[default]
    None,
    /// As RFC 1952 has it, without a name and a time. For CSV and NDJSON; the other formats compress what they hold.
    Gzip,
}

/// What stands between two values of CSV.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    AsRefStr,
    Deserialize,
    EnumMessage,
    EnumString,
    Serialize,
    VariantArray,
)]
#[serde(rename_all = "lowercase")]
#[strum(serialize_all = "lowercase")]
pub enum Separator {
    /// `,` as RFC 4180 has it.
    #[default]
    Comma,
    /// `;` which Excel expects where numbers have a decimal comma.
    Semicolon,
}

impl Separator {
    pub(crate) const fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
        }
    }
}

/// How CSV is spelt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Dialect {
    /// What stands between two values.
    pub separator: Separator,
    /// Whether U+FEFF comes first, by which Excel knows UTF-8.
    pub byte_order_mark: bool,
}

/// A format and how it is spelt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    format: Format,
    compression: Compression,
    dialect: Dialect,
}

impl From<Format> for Form {
    /// The plain form of it.
    fn from(format: Format) -> Self {
        Self {
            format,
            compression: Compression::default(),
            dialect: Dialect::default(),
        }
    }
}

impl Form {
    /// A form, if there is such a file.
    ///
    /// # Errors
    /// `INVALID_INPUT` for a compression that the format does not take, and for a dialect of something else than CSV.
    pub fn new(format: Format, compression: Compression, dialect: Option<Dialect>) -> Result<Self> {
        if compression != Compression::None && !matches!(format, Format::Csv | Format::Ndjson) {
            let text = "a file of this format is compressed inside: only csv and ndjson are taken";
            return Err(Error::invalid(text).at("compression"));
        }
        if dialect.is_some() && format != Format::Csv {
            return Err(Error::invalid("only a csv file has a dialect").at("csv"));
        }
        Ok(Self {
            format,
            compression,
            dialect: dialect.unwrap_or_default(),
        })
    }

    /// The format.
    pub const fn format(self) -> Format {
        self.format
    }

    /// Whether the whole is compressed.
    pub const fn compression(self) -> Compression {
        self.compression
    }

    /// How it is spelt, of CSV.
    pub fn dialect(self) -> Option<Dialect> {
        (self.format == Format::Csv).then_some(self.dialect)
    }

    /// What names of such files end with, with the dot.
    pub fn extension(self) -> String {
        let more = match self.compression {
            Compression::None => "",
            Compression::Gzip => ".gz",
        };
        format!(".{}{more}", self.format.extension())
    }

    /// Media type of such a file.
    pub const fn media_type(self) -> &'static str {
        match self.compression {
            Compression::None => self.format.media_type(),
            Compression::Gzip => "application/gzip",
        }
    }

    pub(crate) fn freeze(self) -> Stored {
        Stored {
            format: self.format.as_ref().to_owned(),
            compression: self.compression,
            csv: self
                .dialect()
                .filter(|dialect| *dialect != Dialect::default()),
        }
    }
}

/// A form as it is stored.
#[derive(Deserialize, Serialize)]
pub(crate) struct Stored {
    format: String,
    #[serde(default)]
    compression: Compression,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    csv: Option<Dialect>,
}

impl Stored {
    pub(crate) fn form(&self) -> Result<Form> {
        let format = Format::from_str(&self.format).map_err(Error::internal)?;
        Form::new(format, self.compression, self.csv).map_err(Error::internal)
    }
}

#[cfg(test)]
mod tests {
    use domain::Code;

    use super::*;

    #[test]
    fn a_form_is_one_that_a_file_can_have() {
        for format in Format::VARIANTS {
            let is_text = matches!(format, Format::Csv | Format::Ndjson);
            let gzip = Form::new(*format, Compression::Gzip, None);
            assert_eq!(gzip.is_ok(), is_text, "{}", format.as_ref());
            let spelt = Form::new(*format, Compression::None, Some(Dialect::default()));
            assert_eq!(spelt.is_ok(), *format == Format::Csv);
            for refused in [gzip, spelt].into_iter().filter_map(Result::err) {
                assert_eq!(refused.code(), Code::InvalidInput);
            }
        }
    }

    #[test]
    fn what_is_stored_is_read_again_and_what_was_stored_before_is_plain() {
        let dialect = Dialect {
            separator: Separator::Semicolon,
            byte_order_mark: true,
        };
        let forms = [
            Form::new(Format::Csv, Compression::Gzip, Some(dialect)),
            Form::new(Format::Ndjson, Compression::Gzip, None),
            Ok(Format::Parquet.into()),
        ];
        for form in forms {
            let form = form.expect("a form");
            let stored = serde_json::to_value(form.freeze()).expect("JSON");
            let stored: Stored = serde_json::from_value(stored).expect("stored");
            assert_eq!(stored.form().expect("a form"), form);
        }
        let stored: Stored = serde_json::from_str(r#"{"format": "csv"}"#).expect("stored");
        assert_eq!(stored.form().expect("a form"), Format::Csv.into());
    }

    #[test]
    fn names_and_types_say_what_is_outside() {
        let form = Form::new(Format::Csv, Compression::Gzip, None).expect("a form");
        assert_eq!(
            (form.extension().as_str(), form.media_type()),
            (".csv.gz", "application/gzip")
        );
        assert_eq!(Form::from(Format::Arrow).extension(), ".arrows");
    }
}
