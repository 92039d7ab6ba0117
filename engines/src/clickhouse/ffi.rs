//! The binding to `libchdb`, and the only module of the product that uses `unsafe`.
//!
//! The library is opened at run time, so the program starts (and every command that needs no cubes works)
//! without it. Three rules of this library shape the module: it is never closed again, because its threads and
//! thread-local destructors outlive us; its signal handlers are switched off before the first connection; and
//! every result is copied out and destroyed before the connection that made it is closed.
#![expect(
    unsafe_code,
    reason = "a C interface; everything unsafe is kept in this file"
)]

use std::{
    ffi::{CStr, CString, c_char, c_int, c_void},
    mem::ManuallyDrop,
    path::Path,
    ptr::NonNull,
    sync::Arc,
};

use bytes::Bytes;

type Text = *const c_char;
type Texts = *const *const c_char;
type Lengths = *const usize;
type ConnectionBox = *mut *mut c_void;
type RawConnection = *mut c_void;
type RawResult = *mut c_void;
type RawInsert = *mut c_void;
type Statement = unsafe extern "C" fn(
    RawConnection,
    Text,
    usize,
    Text,
    usize,
    Texts,
    Lengths,
    Texts,
    Lengths,
    usize,
) -> *mut c_void;

macro_rules! functions {
    ($($name:ident: $type:ty;)*) => {
        struct Functions {
            $($name: $type,)*
            /// Keeps the library mapped for the rest of the process.
            _library: ManuallyDrop<libloading::Library>,
        }

        impl Functions {
            /// # Safety
            /// `library` must be libchdb: the symbols are trusted to have these signatures.
            unsafe fn bind(library: libloading::Library) -> Result<Self, libloading::Error> {
                let library = ManuallyDrop::new(library);
                $(
                    // SAFETY: the caller promises that the symbol has the declared signature.
                    let $name = *unsafe {
                        library.get::<$type>(concat!("chdb_", stringify!($name), "\0").as_bytes())
                    }?;
                )*
                Ok(Self { $($name,)* _library: library })
            }
        }
    };
}

functions! {
    version: unsafe extern "C" fn() -> Text;
    set_signal_handlers_enabled: unsafe extern "C" fn(c_int);
    connect: unsafe extern "C" fn(c_int, *mut *mut c_char) -> ConnectionBox;
    close_conn: unsafe extern "C" fn(ConnectionBox);
    query_with_params_n: Statement;
    stream_query_with_params_n: Statement;
    stream_fetch_result: unsafe extern "C" fn(RawConnection, RawResult) -> RawResult;
    stream_cancel_query: unsafe extern "C" fn(RawConnection, RawResult);
    stream_insert_with_params_n: Statement;
    stream_append: unsafe extern "C" fn(RawInsert, *const c_void, usize) -> c_int;
    stream_done: unsafe extern "C" fn(RawInsert) -> RawResult;
    stream_cancel_insert: unsafe extern "C" fn(RawInsert);
    stream_insert_error: unsafe extern "C" fn(RawInsert) -> Text;
    destroy_insert_stream: unsafe extern "C" fn(RawInsert);
    result_buffer: unsafe extern "C" fn(RawResult) -> *mut c_char;
    result_length: unsafe extern "C" fn(RawResult) -> usize;
    result_elapsed: unsafe extern "C" fn(RawResult) -> f64;
    result_storage_rows_read: unsafe extern "C" fn(RawResult) -> u64;
    result_storage_bytes_read: unsafe extern "C" fn(RawResult) -> u64;
    result_rows_written: unsafe extern "C" fn(RawResult) -> u64;
    result_bytes_written: unsafe extern "C" fn(RawResult) -> u64;
    result_error: unsafe extern "C" fn(RawResult) -> Text;
    destroy_query_result: unsafe extern "C" fn(RawResult);
}

/// The loaded library.
pub(super) struct Library(Functions);

impl Library {
    /// Opens the library and keeps it from handling this process's signals.
    pub(super) fn load(path: &Path) -> Result<Arc<Self>, libloading::Error> {
        // SAFETY: running the library's initialisers is the purpose; the path is the operator's configuration.
        let library = unsafe { libloading::Library::new(path) }?;
        // SAFETY: the declared signatures are those of chdb.h 26.7; a library without the symbols is refused.
        let functions = unsafe { Functions::bind(library) }?;
        // SAFETY: takes a flag and touches only the library's own state; no connection exists yet.
        unsafe { (functions.set_signal_handlers_enabled)(0) };
        Ok(Arc::new(Self(functions)))
    }

    /// The engine's version, such as `26.7.3`.
    pub(super) fn version(&self) -> String {
        // SAFETY: returns a static NUL-terminated string or NULL.
        unsafe { text((self.0.version)()) }.unwrap_or_default()
    }

    /// Opens a connection; the first one of a process opens the engine on the path in `arguments`. `None` when the
    /// engine refuses, which it explains on standard error only.
    pub(super) fn connect(self: &Arc<Self>, arguments: &[CString]) -> Option<Connection> {
        let mut argv: Vec<*mut c_char> = arguments.iter().map(|a| a.as_ptr().cast_mut()).collect();
        let count = c_int::try_from(argv.len()).ok()?;
        // SAFETY: argv holds `count` NUL-terminated strings that outlive the call; the library only reads them.
        let boxed = NonNull::new(unsafe { (self.0.connect)(count, argv.as_mut_ptr()) })?;
        // SAFETY: a non-null answer points to one connection handle.
        let raw = unsafe { *boxed.as_ptr() };
        (!raw.is_null()).then(|| Connection {
            library: self.clone(),
            boxed,
            raw,
        })
    }
}

/// Name and value of a server-side query parameter.
pub(super) type Parameter = (String, String);

/// Parameters in the shape that the library reads: pointers into the caller's strings.
struct Parameters {
    names: Vec<Text>,
    name_lengths: Vec<usize>,
    values: Vec<Text>,
    value_lengths: Vec<usize>,
}

impl Parameters {
    fn new(parameters: &[Parameter]) -> Self {
        Self {
            names: parameters
                .iter()
                .map(|(name, _)| name.as_ptr().cast())
                .collect(),
            name_lengths: parameters.iter().map(|(name, _)| name.len()).collect(),
            values: parameters
                .iter()
                .map(|(_, value)| value.as_ptr().cast())
                .collect(),
            value_lengths: parameters.iter().map(|(_, value)| value.len()).collect(),
        }
    }
}

/// What a statement did.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Statistics {
    pub(super) elapsed_seconds: f64,
    pub(super) read_rows: u64,
    pub(super) read_bytes: u64,
    pub(super) written_rows: u64,
    pub(super) written_bytes: u64,
}

/// A statement's formatted output, copied out of the engine.
pub(super) struct Output {
    pub(super) bytes: Bytes,
    pub(super) statistics: Statistics,
}

/// The engine's own words about a failure, `Code: 60. DB::Exception: …`.
pub(super) type Failure = String;

/// One session of the engine. After an error it must not be used again: the failed statement's partial rows come
/// back in front of the next result. The engine module therefore opens one per request.
pub(super) struct Connection {
    library: Arc<Library>,
    boxed: NonNull<*mut c_void>,
    raw: RawConnection,
}

// SAFETY: a connection is not bound to the thread that made it; the engine guards it with its own mutex, and we
// only ever hand it from one thread to another, never share it.
unsafe impl Send for Connection {}

impl Drop for Connection {
    fn drop(&mut self) {
        // SAFETY: closed exactly once, and no result or insert of this connection is alive: both borrow it.
        unsafe { (self.library.0.close_conn)(self.boxed.as_ptr()) }
    }
}

impl Connection {
    /// Runs a statement to its end.
    pub(super) fn query(
        &mut self,
        sql: &str,
        format: &str,
        parameters: &[Parameter],
    ) -> Result<Output, Failure> {
        let raw = self.start(self.library.0.query_with_params_n, sql, format, parameters);
        Ok(self.result(raw)?.output())
    }

    /// Runs a SELECT and passes every formatted chunk to `sink` until that returns `false`.
    pub(super) fn stream(
        &mut self,
        sql: &str,
        format: &str,
        parameters: &[Parameter],
        mut sink: impl FnMut(Output) -> bool,
    ) -> Result<(), Failure> {
        let functions = &self.library.0;
        let cursor = self.result(self.start(
            functions.stream_query_with_params_n,
            sql,
            format,
            parameters,
        ))?;
        loop {
            // SAFETY: cursor is a live streaming result of this connection.
            let chunk = self
                .result(unsafe { (functions.stream_fetch_result)(self.raw, cursor.raw) })?
                .output();
            if chunk.bytes.is_empty() {
                return Ok(());
            }
            if !sink(chunk) {
                // SAFETY: as above; the cursor is destroyed right after, by its guard.
                unsafe { (functions.stream_cancel_query)(self.raw, cursor.raw) };
                return Ok(());
            }
        }
    }

    /// Runs an INSERT (without its FORMAT clause) whose body `next` yields piece by piece; `Ok(None)` ends it, an
    /// error abandons it.
    pub(super) fn insert(
        &mut self,
        sql: &str,
        format: &str,
        parameters: &[Parameter],
        mut next: impl FnMut() -> Result<Option<Bytes>, Failure>,
    ) -> Result<Statistics, Failure> {
        let functions = &self.library.0;
        let raw = self.start(
            functions.stream_insert_with_params_n,
            sql,
            format,
            parameters,
        );
        if raw.is_null() {
            return Err("the engine did not start the insert".into());
        }
        let insert = Insert { functions, raw };
        // SAFETY: insert is live; the answer is NULL or a NUL-terminated string owned by it.
        if let Some(failure) = unsafe { text((functions.stream_insert_error)(insert.raw)) } {
            return Err(failure);
        }
        loop {
            match next() {
                Ok(Some(piece)) => {
                    // SAFETY: the piece is readable for its whole length during the call.
                    let full = unsafe {
                        (functions.stream_append)(insert.raw, piece.as_ptr().cast(), piece.len())
                    };
                    if full != 0 {
                        // The insert has failed already; finishing it tells why.
                        break;
                    }
                }
                Ok(None) => break,
                Err(failure) => {
                    // SAFETY: insert is live and not finished.
                    unsafe { (functions.stream_cancel_insert)(insert.raw) };
                    return Err(failure);
                }
            }
        }
        // SAFETY: insert is live and finished exactly once.
        Ok(self
            .result(unsafe { (functions.stream_done)(insert.raw) })?
            .statistics())
    }

    fn start(
        &self,
        function: Statement,
        sql: &str,
        format: &str,
        parameters: &[Parameter],
    ) -> *mut c_void {
        let p = Parameters::new(parameters);
        // SAFETY: every pointer is paired with its length and outlives the call; the library copies what it keeps.
        unsafe {
            function(
                self.raw,
                sql.as_ptr().cast(),
                sql.len(),
                format.as_ptr().cast(),
                format.len(),
                p.names.as_ptr(),
                p.name_lengths.as_ptr(),
                p.values.as_ptr(),
                p.value_lengths.as_ptr(),
                parameters.len(),
            )
        }
    }

    fn result(&self, raw: RawResult) -> Result<Outcome<'_>, Failure> {
        if raw.is_null() {
            return Err("the engine gave no result".into());
        }
        let result = Outcome {
            functions: &self.library.0,
            raw,
        };
        // SAFETY: the result is live; its error is NULL or a NUL-terminated string owned by it.
        match unsafe { text((result.functions.result_error)(raw)) } {
            Some(failure) => Err(failure),
            None => Ok(result),
        }
    }
}

/// A result that is destroyed when it goes out of scope.
struct Outcome<'a> {
    functions: &'a Functions,
    raw: RawResult,
}

impl Outcome<'_> {
    fn output(&self) -> Output {
        // SAFETY: the result is live; buffer and length describe memory that it owns.
        let bytes = unsafe {
            let length = (self.functions.result_length)(self.raw);
            let buffer = (self.functions.result_buffer)(self.raw);
            if length == 0 || buffer.is_null() {
                Bytes::new()
            } else {
                Bytes::copy_from_slice(std::slice::from_raw_parts(buffer.cast(), length))
            }
        };
        Output {
            bytes,
            statistics: self.statistics(),
        }
    }

    fn statistics(&self) -> Statistics {
        let f = self.functions;
        // SAFETY: the result is live; these only read numbers from it.
        unsafe {
            Statistics {
                elapsed_seconds: (f.result_elapsed)(self.raw),
                read_rows: (f.result_storage_rows_read)(self.raw),
                read_bytes: (f.result_storage_bytes_read)(self.raw),
                written_rows: (f.result_rows_written)(self.raw),
                written_bytes: (f.result_bytes_written)(self.raw),
            }
        }
    }
}

impl Drop for Outcome<'_> {
    fn drop(&mut self) {
        // SAFETY: destroyed exactly once; nothing borrowed from it is left, output() copies.
        unsafe { (self.functions.destroy_query_result)(self.raw) }
    }
}

/// An insert that is destroyed when it goes out of scope.
struct Insert<'a> {
    functions: &'a Functions,
    raw: RawInsert,
}

impl Drop for Insert<'_> {
    fn drop(&mut self) {
        // SAFETY: destroyed exactly once.
        unsafe { (self.functions.destroy_insert_stream)(self.raw) }
    }
}

/// Copies a C string; `None` for NULL and for the empty string.
///
/// # Safety
/// `pointer` is NULL or points to a NUL-terminated string.
unsafe fn text(pointer: Text) -> Option<String> {
    if pointer.is_null() {
        return None;
    }
    // SAFETY: promised by the caller.
    let text = unsafe { CStr::from_ptr(pointer) }
        .to_string_lossy()
        .into_owned();
    (!text.is_empty()).then_some(text)
}
