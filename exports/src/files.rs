//! Where files of jobs lie: a folder, or a bucket of S3.
//!
//! What a job makes is in a folder of its own, named after the tenant, the job and the number of the claim that it was made under. So
//! two processes never write the same file, and what nobody has a claim to any more is found by its place.

use std::{ops::Range, path::Path as FilePath, sync::Arc, time::Duration};

use bytes::Bytes;
use domain::{
    Error, Result,
    id::{JobId, TenantId},
    job::Lease,
};
use futures::{Stream, StreamExt as _, TryStreamExt as _};
use http::Method;
use object_store::{
    ObjectStore, ObjectStoreExt as _,
    aws::AmazonS3Builder,
    buffered::BufWriter,
    local::LocalFileSystem,
    path::Path,
    signer::{SignedUrlOptions, Signer},
};
use url::Url;

/// Bytes of a part of a file on its way.
const PART: usize = 8 << 20;
/// Parts that travel at the same time.
const PARTS: usize = 2;
/// How long an address of the bucket itself is good for.
const LINK: Duration = Duration::from_mins(1);

/// Where files lie. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Files {
    store: Arc<dyn ObjectStore>,
    /// Of a bucket, which gives files out itself.
    signer: Option<Arc<dyn Signer>>,
    root: Path,
}

impl Files {
    /// Files in a folder of this machine, which is made if it is not there.
    ///
    /// # Errors
    /// `UNAVAILABLE` when it cannot be made or written.
    pub fn in_folder(folder: &FilePath) -> Result<Self> {
        let failed = "the folder of exports cannot be used";
        std::fs::create_dir_all(folder).map_err(|error| Error::unavailable(failed, error))?;
        let store = LocalFileSystem::new_with_prefix(folder);
        let store = store.map_err(|error| Error::unavailable(failed, error))?;
        let store = store.with_automatic_cleanup(true).with_fsync(true);
        Ok(Self {
            store: Arc::new(store),
            signer: None,
            root: Path::default(),
        })
    }

    /// Files in a bucket, `s3://BUCKET/PREFIX`. Endpoint, region and keys are those of AWS's usual variables of the environment.
    ///
    /// # Errors
    /// `INVALID_INPUT` for another address.
    pub fn in_bucket(url: &Url) -> Result<Self> {
        let wrong = |error: object_store::Error| Error::invalid(format!("no bucket: {error}"));
        if url.scheme() != "s3" || url.host_str().is_none() {
            return Err(Error::invalid("a bucket is s3://BUCKET/PREFIX"));
        }
        let builder = AmazonS3Builder::from_env().with_url(url.as_str());
        let store = Arc::new(builder.build().map_err(wrong)?);
        let root = Path::from_url_path(url.path());
        let root = root.map_err(|error| Error::invalid(format!("no bucket: {error}")))?;
        Ok(Self {
            store: store.clone(),
            signer: Some(store),
            root,
        })
    }

    /// Whether it is there: what is asked for is not.
    ///
    /// # Errors
    /// `UNAVAILABLE` when it does not answer as it should.
    pub async fn ping(&self) -> Result<()> {
        match self.store.head(&self.root.clone().join("ping")).await {
            Ok(_) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(away(error)),
        }
    }

    /// A writer of a file, which nobody sees before it is shut down.
    pub(crate) fn writer(&self, place: &str) -> BufWriter {
        let store = self.store.clone();
        BufWriter::with_capacity(store, self.at(place), PART).with_max_concurrency(PARTS)
    }

    /// Writes a small file.
    pub(crate) async fn put(&self, place: &str, bytes: Bytes) -> Result<()> {
        let put = self.store.put(&self.at(place), bytes.into()).await;
        put.map(drop).map_err(away)
    }

    /// Bytes of a file, as they come.
    ///
    /// # Errors
    /// `NOT_FOUND` when there is none, `UNAVAILABLE` when it does not answer.
    pub async fn read(
        &self,
        place: &str,
        range: Range<u64>,
    ) -> Result<impl Stream<Item = std::io::Result<Bytes>> + Send + 'static> {
        let options = object_store::GetOptions {
            range: Some(range.into()),
            ..object_store::GetOptions::default()
        };
        let found = self.store.get_opts(&self.at(place), options).await;
        let found = found.map_err(|error| match error {
            object_store::Error::NotFound { .. } => Error::not_found("file"),
            error => away(error),
        })?;
        Ok(found.into_stream().map_err(std::io::Error::other))
    }

    /// An address of the bucket itself that gives the file out for a minute, to be saved as `disposition` says; none of a folder.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the bucket's keys cannot be had.
    pub async fn link(&self, place: &str, disposition: &str) -> Result<Option<Url>> {
        let Some(signer) = &self.signer else {
            return Ok(None);
        };
        let options =
            SignedUrlOptions::new().with_query([("response-content-disposition", disposition)]);
        let place = self.at(place);
        let link = signer
            .signed_url_opts(Method::GET, &place, LINK, &options)
            .await;
        link.map(Some).map_err(away)
    }

    /// Removes all that lies in a folder; what is gone already is gone.
    pub(crate) async fn remove(&self, folder: &str) -> Result<()> {
        let listed = self.store.list(Some(&self.at(folder)));
        let places = listed.map_ok(|found| found.location).boxed();
        let removed = self.store.delete_stream(places);
        let removed = removed.filter(|removed| {
            let is_gone = matches!(removed, Err(object_store::Error::NotFound { .. }));
            std::future::ready(!is_gone)
        });
        removed.try_for_each(async |_| Ok(())).await.map_err(away)
    }

    /// The folders of all claims that have files here.
    pub(crate) async fn claims(&self) -> Result<Vec<Lease>> {
        let below = async |folder: &Path| {
            let listed = self.store.list_with_delimiter(Some(folder)).await;
            listed.map(|listed| listed.common_prefixes).map_err(away)
        };
        let mut claims = Vec::new();
        for tenant in below(&self.root).await? {
            for job in below(&tenant).await? {
                for claim in below(&job).await? {
                    claims.extend(lease_of(&claim));
                }
            }
        }
        Ok(claims)
    }

    fn at(&self, place: &str) -> Path {
        place.split('/').fold(self.root.clone(), Path::join)
    }
}

/// The folder of a claim.
pub(crate) fn folder(lease: Lease) -> String {
    format!("{}/{}/{}", lease.tenant, lease.job, lease.fence)
}

/// The claim that a folder is of.
fn lease_of(folder: &Path) -> Option<Lease> {
    let parts: Vec<_> = folder.parts().collect();
    let [.., tenant, job, fence] = parts.as_slice() else {
        return None;
    };
    Some(Lease {
        tenant: tenant.as_ref().parse::<TenantId>().ok()?,
        job: job.as_ref().parse::<JobId>().ok()?,
        fence: fence.as_ref().parse().ok()?,
    })
}

fn away(error: object_store::Error) -> Error {
    Error::unavailable("the store of files does not answer", error)
}
