//! The header: which column stands where.

use csv::ByteRecord;

use crate::fleet::{FleetError, model::COLUMNS};

/// Where each known column stands in this file.
pub(super) struct Columns {
    index: [Option<usize>; COLUMNS.len()],
    /// How many there are.
    pub(super) width: usize,
}

impl Columns {
    pub(super) fn read(header: &ByteRecord) -> Result<Self, FleetError> {
        let mut index = [None; COLUMNS.len()];
        for (position, name) in header.iter().enumerate() {
            let name = decode(name)?;
            if index[known(&name)?].replace(position).is_some() {
                return Err(FleetError::RepeatedColumn(name));
            }
        }
        let columns = Self {
            index,
            width: header.len(),
        };
        let missing = |name: &&str| columns.position(name).is_none();
        match ["iccid", "state"].into_iter().find(missing) {
            Some(required) => Err(FleetError::MissingColumn(required)),
            None => Ok(columns),
        }
    }

    pub(super) fn position(&self, name: &str) -> Option<usize> {
        COLUMNS
            .iter()
            .position(|column| *column == name)
            .and_then(|known| self.index[known])
    }
}

/// A column's name, in lower case.
fn decode(name: &[u8]) -> Result<String, FleetError> {
    let text = std::str::from_utf8(name).ok();
    // UTF-16 without a mark is UTF-8 with zeros.
    let text = text.filter(|name| !name.contains('\0'));
    let name = text.ok_or(FleetError::NotUtf8)?;
    Ok(name.trim().to_ascii_lowercase())
}

/// Which of [`COLUMNS`] it is.
fn known(name: &str) -> Result<usize, FleetError> {
    let known = COLUMNS.iter().position(|column| *column == name);
    known.ok_or_else(|| {
        if name.contains([';', '\t']) {
            return FleetError::NotCommas;
        }
        let shown = name.chars().filter(|c| !c.is_control()).take(60);
        FleetError::UnknownColumn(shown.collect())
    })
}
