//! What comes next in a partition. The client that reads many says that something cannot be read, and not where; and not what lies at the
//! end of a partition that sends nothing.

use domain::{Error, Result, topic::Partition};
use rdkafka::{
    Message as _, Offset, TopicPartitionList,
    consumer::{BaseConsumer, Consumer as _},
    error::KafkaError,
    types::RDKafkaErrorCode,
};

use super::{
    Settings,
    client::{PATIENCE, reading, unavailable},
};

/// Whether an error means that what lies in the topic is damaged, packed in a way that nobody knows, or more than the client takes when
/// it is unpacked.
pub(super) fn is_unreadable(error: &KafkaError) -> bool {
    let code = error.rdkafka_error_code();
    code.is_some_and(|code| {
        matches!(
            code,
            RDKafkaErrorCode::BadCompression
                | RDKafkaErrorCode::BadMessage
                | RDKafkaErrorCode::InvalidMessage
                | RDKafkaErrorCode::MessageSizeTooLarge
                | RDKafkaErrorCode::NotImplemented
        )
    })
}

/// What comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// A message.
    Message,
    /// None yet, whatever offsets there are: ends of transactions, and what was taken back, are no messages.
    Nothing,
    /// What cannot be read.
    Unreadable,
}

/// What comes next in a partition at or behind `next`, read from an offset on.
///
/// # Errors
/// `UNAVAILABLE` when the broker does not answer in time.
pub(super) fn look(
    settings: &Settings,
    partition: &Partition,
    from: i64,
    next: i64,
) -> Result<Next> {
    let consumer: BaseConsumer = reading(settings)
        .set("enable.partition.eof", "true")
        .create()
        .map_err(unavailable)?;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&partition.topic, partition.number, Offset::Offset(from))
        .and_then(|()| consumer.assign(&list))
        .map_err(unavailable)?;
    loop {
        match consumer.poll(PATIENCE) {
            Some(Ok(message)) if message.offset() < next => {}
            Some(Ok(_)) => return Ok(Next::Message),
            Some(Err(KafkaError::PartitionEOF(_))) => return Ok(Next::Nothing),
            Some(Err(error)) if is_unreadable(&error) => return Ok(Next::Unreadable),
            Some(Err(error)) => return Err(unavailable(error)),
            None => {
                let late = "nothing was read in time";
                return Err(Error::unavailable("Kafka does not answer", late));
            }
        }
    }
}
