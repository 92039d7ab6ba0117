//! A place in a bucket of a real S3 server per test, and a server of a test's own that can be killed.

use std::{
    fs,
    path::{Path, PathBuf},
};

use crate::{address, server::Server, unique};

/// What `engines/s3/run` lets in, and the bucket that it makes.
const KEY: &str = "simcube";
const SECRET: &str = "simcube-secret";
const BUCKET: &str = "exports";

/// A place of one test in a bucket.
pub struct Bucket {
    endpoint: String,
    data: PathBuf,
    prefix: String,
}

impl Bucket {
    /// A place that no other test uses.
    fn at(endpoint: String, data: PathBuf) -> Self {
        // Needed to build a client at all, though no test speaks TLS; a second installation is refused and harmless.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self {
            endpoint,
            data,
            prefix: unique("test"),
        }
    }

    /// Where it is, `s3://BUCKET/PREFIX`.
    pub fn url(&self) -> String {
        format!("s3://{BUCKET}/{}", self.prefix)
    }

    /// AWS's variables of the environment that lead there.
    pub fn environment(&self) -> [(&'static str, String); 5] {
        [
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("AWS_ALLOW_HTTP", "true".to_owned()),
            ("AWS_REGION", "us-east-1".to_owned()),
            ("AWS_ACCESS_KEY_ID", KEY.to_owned()),
            ("AWS_SECRET_ACCESS_KEY", SECRET.to_owned()),
        ]
    }

    /// What the server has of this place on its disk: finished files, and each part of those that are not.
    pub fn files(&self) -> Vec<PathBuf> {
        let mut found = Vec::new();
        walk(&self.data.join(BUCKET), &mut found);
        let here = |path: &PathBuf| path.to_string_lossy().contains(&self.prefix);
        found.into_iter().filter(here).collect()
    }
}

/// Files below a folder. What goes meanwhile is not there.
fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            walk(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// A place on the tests' server.
///
/// # Panics
/// When `./dev test` did not start it.
pub fn bucket() -> Bucket {
    let data = address("SIMCUBE_TEST_S3_DATA");
    Bucket::at(address("SIMCUBE_TEST_S3_URL"), data.into())
}

/// A server of a test's own. It is killed with this value.
pub struct S3Server(Server);

impl S3Server {
    /// Starts it, with an empty bucket.
    ///
    /// # Panics
    /// When it is missing (`engines/s3/fetch` fetches it) or does not start.
    pub async fn start() -> Self {
        let mut server = Server::new("s3");
        server.start().await;
        Self(server)
    }

    /// A place in its bucket.
    pub fn bucket(&self) -> Bucket {
        let endpoint = format!("http://{}", self.0.address());
        Bucket::at(endpoint, self.0.state().join("data"))
    }

    /// Ends it without a chance to do anything.
    ///
    /// # Panics
    /// When it is gone.
    pub fn kill(&mut self) {
        self.0.kill();
    }

    /// Starts it again where it was, with all that it has.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn restart(&mut self) {
        self.0.start().await;
    }
}
