//! A bucket of S3.

use std::{fmt, future::ready, sync::Arc, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _};
use http::{Method, Request, StatusCode};
use object_store::{
    ClientOptions, Error, ObjectStore, Result, RetryConfig,
    aws::{AmazonS3, AmazonS3Builder},
    client::{HttpClient, HttpConnector as _, HttpRequestBody, ReqwestConnector},
    multipart::MultipartStore as _,
    path::Path,
    signer::{SignedUrlOptions, Signer as _},
};
use serde::Deserialize;
use url::Url;

/// How long an address of the bucket itself is good for.
const LINK: Duration = Duration::from_mins(1);
/// How long a request that the bucket does not answer is repeated at most. The job is repeated, too.
const PATIENCE: Duration = Duration::from_secs(20);

/// A bucket with files.
#[derive(Clone)]
pub(super) struct Bucket {
    s3: Arc<AmazonS3>,
    /// For what the store's own interface does not ask.
    client: HttpClient,
}

impl fmt::Debug for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.s3.fmt(f)
    }
}

/// A file that somebody began to send in parts.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Upload {
    key: String,
    upload_id: String,
}

/// Unfinished files of a bucket, a page of them.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Uploads {
    #[serde(default)]
    upload: Vec<Upload>,
    #[serde(default)]
    is_truncated: bool,
    #[serde(default)]
    next_key_marker: String,
    #[serde(default)]
    next_upload_id_marker: String,
}

impl Bucket {
    pub(super) fn open(builder: AmazonS3Builder) -> Result<Self> {
        let retry = RetryConfig {
            retry_timeout: PATIENCE,
            ..RetryConfig::default()
        };
        // Not every store of this protocol removes several at once, and a claim has few.
        let builder = builder.with_retry(retry).with_disable_bulk_delete(true);
        let s3 = Arc::new(builder.build()?);
        let client =
            ReqwestConnector::default().connect(&ClientOptions::new().with_allow_http(true))?;
        Ok(Self { s3, client })
    }

    pub(super) fn store(&self) -> Arc<dyn ObjectStore> {
        self.s3.clone()
    }

    pub(super) async fn link(
        &self,
        place: &Path,
        media_type: &str,
        disposition: &str,
    ) -> Result<Url> {
        let options = SignedUrlOptions::new().with_query([
            ("response-content-type", media_type),
            ("response-content-disposition", disposition),
        ]);
        self.s3
            .signed_url_opts(Method::GET, place, LINK, &options)
            .await
    }

    /// Removes all that lies below, and what is on its way there.
    pub(super) async fn remove(&self, folder: &Path) -> Result<()> {
        let listed = self.s3.list(Some(folder));
        let places = listed.map_ok(|found| found.location).boxed();
        let removed = self.s3.delete_stream(places);
        let removed = removed.filter(|removed| {
            let is_gone = matches!(removed, Err(Error::NotFound { .. }));
            ready(!is_gone)
        });
        removed.try_for_each(async |_| Ok(())).await?;
        for upload in self.uploads(folder).await? {
            let place = Path::parse(&upload.key)?;
            // Parts that still come in make it fail, or begin it again: the next sweep finds it.
            match self.s3.abort_multipart(&place, &upload.upload_id).await {
                // Somebody else was quicker.
                Err(Error::NotFound { .. }) => {}
                aborted => aborted?,
            }
        }
        Ok(())
    }

    /// Where files lie below, and where those belong that are on their way.
    pub(super) async fn places(&self, folder: &Path) -> Result<Vec<Path>> {
        let listed = self.s3.list(Some(folder)).map_ok(|found| found.location);
        let mut places: Vec<Path> = listed.try_collect().await?;
        for upload in self.uploads(folder).await? {
            places.push(Path::parse(&upload.key)?);
        }
        Ok(places)
    }

    /// What is on its way to a folder below, page by page. The store's own interface knows such files only while it writes them.
    async fn uploads(&self, folder: &Path) -> Result<Vec<Upload>> {
        let mut prefix = folder.to_string();
        if !prefix.is_empty() {
            prefix.push('/');
        }
        let (mut found, mut after) = (Vec::new(), None);
        loop {
            let page = self.page(&prefix, after.take()).await?;
            found.extend(page.upload);
            if !page.is_truncated || page.next_key_marker.is_empty() {
                return Ok(found);
            }
            after = Some((page.next_key_marker, page.next_upload_id_marker));
        }
    }

    async fn page(&self, prefix: &str, after: Option<(String, String)>) -> Result<Uploads> {
        let mut query = vec![("uploads", ""), ("prefix", prefix)];
        if let Some((key, upload)) = &after {
            query.extend([("key-marker", key.as_str()), ("upload-id-marker", upload)]);
        }
        let options = SignedUrlOptions::new().with_query(query);
        let bucket = Path::default();
        let url = self
            .s3
            .signed_url_opts(Method::GET, &bucket, LINK, &options);
        let request = Request::get(url.await?.as_str());
        let request = request.body(HttpRequestBody::empty()).map_err(odd)?;
        let answer = self.client.execute(request).await.map_err(odd)?;
        let status = answer.status();
        let body = answer.into_body().bytes().await.map_err(odd)?;
        if status.is_success() {
            return quick_xml::de::from_reader(&*body).map_err(odd);
        }
        let (path, said) = (prefix.to_owned(), String::from_utf8_lossy(&body));
        let source = format!("{status}: {said}").into();
        match status {
            // Not every store of this protocol can tell.
            StatusCode::NOT_IMPLEMENTED | StatusCode::METHOD_NOT_ALLOWED => Ok(Uploads::default()),
            StatusCode::NOT_FOUND => Err(Error::NotFound { path, source }),
            StatusCode::FORBIDDEN => Err(Error::PermissionDenied { path, source }),
            _ => Err(odd(source)),
        }
    }
}

fn odd(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Error {
    Error::Generic {
        store: "S3",
        source: source.into(),
    }
}
