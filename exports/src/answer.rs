//! A data set as it is sent to whoever asked and waits for it: without a job, and without a file.

use std::{io, time::Duration};

use bytes::Bytes;
use futures::{SinkExt as _, Stream, StreamExt as _, stream};
use service::Session;
use tokio::{pin, sync::mpsc, task};
use tokio_io_timeout::TimeoutWriter;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::{
    io::{CopyToBytes, SinkWriter},
    sync::PollSender,
    task::AbortOnDropHandle,
};

use crate::{Error, Export, Form, Head, Request};

/// Chunks that wait for whoever reads.
const CHUNKS: usize = 2;

/// An answer whose first rows are there.
pub struct Answer<S> {
    /// What is known of it before the first row.
    pub head: Head,
    /// Its bytes. One that fails ends in an error: what came before is no answer.
    pub bytes: S,
}

/// Asks a data set, and returns when the first rows are there or it is clear that there are none, so that what is refused is refused
/// before anything is sent. A reader that takes nothing for as long as `patience` is given up, and so is the statement when the
/// bytes are dropped. The `turn` is let go of when all rows are made or nothing more is.
///
/// # Errors
/// Those of [`Export::write`].
pub async fn answer(
    session: Session,
    request: Request,
    form: Form,
    patience: Duration,
    turn: impl Send + 'static,
) -> Result<Answer<impl Stream<Item = Result<Bytes, Error>> + Send + 'static>, Error> {
    let export = Export {
        session: &session,
        request: &request,
        form,
    };
    let begun = export.begin().await?;
    let head = begun.head().clone();
    let (sender, receiver) = mpsc::channel(CHUNKS);
    let making = task::spawn(async move {
        let sink = PollSender::new(sender.clone()).sink_map_err(io::Error::other);
        let sink = sink.with(async |bytes: Bytes| Ok::<_, io::Error>(Ok(bytes)));
        let mut sink = TimeoutWriter::new(SinkWriter::new(CopyToBytes::new(sink)));
        sink.set_timeout(Some(patience));
        pin!(sink);
        let written = begun.write(&mut sink, None, |_| ()).await;
        // Others go on, whether or not anybody reads.
        drop(turn);
        if let Err(error) = written {
            // Nobody may be there any more.
            sender.send(Err(error)).await.ok();
        }
    });
    let making = AbortOnDropHandle::new(making);
    let mut bytes = ReceiverStream::new(receiver);
    let first = bytes.next().await.transpose()?;
    let rest = bytes.map(move |chunk| {
        let _ends_with_the_stream = &making;
        chunk
    });
    Ok(Answer {
        head,
        bytes: stream::iter(first.map(Ok)).chain(rest),
    })
}
