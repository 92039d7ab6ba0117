//! Why files are not where they should be, in words for whoever may know what to do.

use std::{
    error::Error,
    io::{self, ErrorKind},
    iter::successors,
};

use rust_xlsxwriter::XlsxError;

/// The reason in an error or its causes that somebody can do something about; none that only the log is for.
pub(crate) fn why(error: &(dyn Error + 'static)) -> Option<&'static str> {
    successors(Some(error), |error| cause(*error)).find_map(reason)
}

/// What an error wraps. One of the system does not name what it was made of as its source, and Excel's not that of the system.
fn cause<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a (dyn Error + 'static)> {
    if let Some(XlsxError::IoError(wrapped)) = error.downcast_ref() {
        return Some(wrapped);
    }
    let wrapped = error
        .downcast_ref::<io::Error>()
        .and_then(io::Error::get_ref);
    match wrapped {
        Some(wrapped) => Some(wrapped),
        None => error.source(),
    }
}

fn reason(error: &(dyn Error + 'static)) -> Option<&'static str> {
    use object_store::Error as Store;
    if let Some(error) = error.downcast_ref::<io::Error>() {
        return match error.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                Some("there is no space left for files")
            }
            ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
                Some("the server may not write where files lie")
            }
            _ => None,
        };
    }
    match error.downcast_ref::<Store>()? {
        Store::NotFound { .. } => Some("the bucket or folder of files is not there"),
        Store::PermissionDenied { .. } | Store::Unauthenticated { .. } => {
            Some("the store of files refuses the server's keys")
        }
        Store::Generic { store: "S3", .. } => Some("the store of files does not answer"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_found_however_deep_it_lies() {
        let full = io::Error::from(ErrorKind::StorageFull);
        let store = object_store::Error::Generic {
            store: "LocalFileSystem",
            source: Box::new(full),
        };
        let told = io::Error::from(store);
        assert_eq!(why(&told), Some("there is no space left for files"));
        let told = XlsxError::from(told);
        assert_eq!(why(&told), Some("there is no space left for files"));
        let refused = object_store::Error::PermissionDenied {
            path: "a".to_owned(),
            source: "403".into(),
        };
        let refused = io::Error::other(refused);
        assert_eq!(
            why(&refused),
            Some("the store of files refuses the server's keys")
        );
        assert_eq!(why(&io::Error::other("odd")), None);
    }
}
