//! What goes wrong between a network and us, on purpose.

use std::{collections::BTreeSet, fmt, str::FromStr};

use domain::Error;

/// One kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Fault {
    /// Records are delivered again, in another spelling of the same content.
    Duplicates,
    /// Records are delivered again with other volumes, after the first was acknowledged.
    Conflicts,
    /// Records are not in order of time.
    Reordering,
    /// Records arrive after younger ones of other days.
    Late,
    /// Records of which something is missing, wrong or impossible.
    Malformed,
    /// Records of SIMs that nobody knows.
    Unknown,
}

impl Fault {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Duplicates,
        Self::Conflicts,
        Self::Reordering,
        Self::Late,
        Self::Malformed,
        Self::Unknown,
    ];

    /// The word on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Duplicates => "duplicates",
            Self::Conflicts => "conflicts",
            Self::Reordering => "reordering",
            Self::Late => "late",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
        }
    }
}

/// A set of faults: `all`, `none`, or a list such as `duplicates,late`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Faults(BTreeSet<Fault>);

impl Faults {
    /// Every kind.
    pub fn all() -> Self {
        Self(Fault::ALL.into())
    }

    /// Whether `fault` happens.
    pub fn has(&self, fault: Fault) -> bool {
        self.0.contains(&fault)
    }
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("none");
        }
        let words: Vec<_> = self.0.iter().map(|fault| fault.as_str()).collect();
        f.write_str(&words.join(","))
    }
}

impl FromStr for Faults {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        match text {
            "all" => return Ok(Self::all()),
            "none" => return Ok(Self::default()),
            _ => {}
        }
        let fault = |word: &str| {
            Fault::ALL
                .into_iter()
                .find(|fault| fault.as_str() == word.trim())
                .ok_or_else(|| {
                    let known: Vec<_> = Fault::ALL.iter().map(|fault| fault.as_str()).collect();
                    Error::invalid(format!(
                        "unknown fault; all, none, or a list of {}",
                        known.join(", ")
                    ))
                })
        };
        Ok(Self(text.split(',').map(fault).collect::<Result<_, _>>()?))
    }
}
