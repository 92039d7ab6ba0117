//! Words about errors.

use domain::Code;

use crate::word::word;

word! {
    /// Why something failed: `extensions.code` of an error, and the code of a user error. Codes are added, never changed; a
    /// client treats one that it does not know as `INTERNAL`.
    ErrorCode = Code
}
