//! Where files of jobs lie: a folder, or a bucket of S3.
//!
//! What a job makes is in a folder of its own, named after the tenant, the job and the number of the claim that it was made under. So
//! two processes never write the same file, and what nobody has a claim to any more is found by its place: parts of files that were
//! never finished, too.

mod bucket;
mod folder;
#[cfg(test)]
mod tests;
mod why;

use std::{ops::Range, path::Path as FilePath, sync::Arc};

use bytes::Bytes;
use domain::{
    Error, Result,
    id::{JobId, TenantId},
    job::Lease,
};
use futures::{Stream, TryStreamExt as _};
use object_store::{
    ObjectStore, ObjectStoreExt as _, aws::AmazonS3Builder, buffered::BufWriter, path::Path,
};
use url::Url;

use self::{bucket::Bucket, folder::Folder};

pub(crate) use self::why::why;

/// Bytes of a part of a file on its way.
const PART: usize = 8 << 20;
/// Parts that travel at the same time.
const PARTS: usize = 2;

/// Where files lie. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct Files {
    store: Arc<dyn ObjectStore>,
    place: Place,
    root: Path,
}

/// What differs between the two.
#[derive(Clone, Debug)]
enum Place {
    Folder(Folder),
    Bucket(Bucket),
}

impl Files {
    /// Files in a folder of this machine, which is made if it is not there.
    ///
    /// # Errors
    /// `UNAVAILABLE` when it cannot be made or written.
    pub fn in_folder(folder: &FilePath) -> Result<Self> {
        let (folder, store) = Folder::open(folder)?;
        Ok(Self {
            store: Arc::new(store),
            place: Place::Folder(folder),
            root: Path::default(),
        })
    }

    /// Files in a bucket, `s3://BUCKET/PREFIX`. Endpoint, region and keys are those of AWS's usual variables of the environment.
    ///
    /// # Errors
    /// `INVALID_INPUT` for another address.
    pub fn in_bucket(url: &Url) -> Result<Self> {
        if url.scheme() != "s3" || url.host_str().is_none() {
            return Err(Error::invalid("a bucket is s3://BUCKET/PREFIX"));
        }
        Self::in_bucket_of(AmazonS3Builder::from_env(), url)
    }

    fn in_bucket_of(server: AmazonS3Builder, url: &Url) -> Result<Self> {
        let wrong = |error: object_store::Error| Error::invalid(format!("no bucket: {error}"));
        let bucket = Bucket::open(server.with_url(url.as_str())).map_err(wrong)?;
        let root = Path::from_url_path(url.path());
        let root = root.map_err(|error| Error::invalid(format!("no bucket: {error}")))?;
        Ok(Self {
            store: bucket.store(),
            place: Place::Bucket(bucket),
            root,
        })
    }

    /// Whether it is there: a bucket says of a file that is asked for that there is none, and a folder takes bytes.
    ///
    /// # Errors
    /// `UNAVAILABLE` when it does not answer as it should.
    pub async fn ping(&self) -> Result<()> {
        if let Place::Folder(folder) = &self.place {
            return folder.ping().await.map_err(unwritable);
        }
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

    /// An address of the bucket itself that gives the file out for a minute, as this type and to be saved as `disposition` says; none of a
    /// folder.
    ///
    /// # Errors
    /// `UNAVAILABLE` when the bucket's keys cannot be had.
    pub async fn link(
        &self,
        place: &str,
        media_type: &str,
        disposition: &str,
    ) -> Result<Option<Url>> {
        match &self.place {
            Place::Folder(_) => Ok(None),
            Place::Bucket(bucket) => {
                let link = bucket.link(&self.at(place), media_type, disposition).await;
                link.map(Some).map_err(away)
            }
        }
    }

    /// Removes all that lies in the folder of a claim, parts of unfinished files included; what is gone already is gone.
    pub(crate) async fn remove(&self, folder: &str) -> Result<()> {
        match &self.place {
            Place::Folder(files) => files.remove(folder).await.map_err(unwritable),
            Place::Bucket(bucket) => bucket.remove(&self.at(folder)).await.map_err(away),
        }
    }

    /// The claims that have something here, be it a part of an unfinished file.
    pub(crate) async fn claims(&self) -> Result<Vec<Lease>> {
        let places = match &self.place {
            Place::Folder(files) => files.claims().await.map_err(unwritable)?,
            Place::Bucket(bucket) => bucket.places(&self.root).await.map_err(away)?,
        };
        let mut claims = Vec::new();
        for claim in places.iter().filter_map(|place| self.claim(place)) {
            // Places of one claim come after each other.
            if claims.last() != Some(&claim) {
                claims.push(claim);
            }
        }
        Ok(claims)
    }

    fn at(&self, place: &str) -> Path {
        place.split('/').fold(self.root.clone(), Path::join)
    }

    /// The claim in whose folder something lies.
    fn claim(&self, place: &Path) -> Option<Lease> {
        let mut below = place.prefix_match(&self.root)?;
        Some(Lease {
            tenant: below.next()?.as_ref().parse::<TenantId>().ok()?,
            job: below.next()?.as_ref().parse::<JobId>().ok()?,
            fence: below.next()?.as_ref().parse().ok()?,
        })
    }
}

/// The folder of a claim.
pub(crate) fn folder(lease: Lease) -> String {
    format!("{}/{}/{}", lease.tenant, lease.job, lease.fence)
}

fn away(error: object_store::Error) -> Error {
    Error::unavailable(
        why(&error).unwrap_or("the store of files does not answer"),
        error,
    )
}

fn unwritable(error: std::io::Error) -> Error {
    Error::unavailable(
        why(&error).unwrap_or("the folder of files does not answer"),
        error,
    )
}
