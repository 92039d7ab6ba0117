//! Whether the next message of a partition can be read. The client that reads many says that something cannot be, and not where.

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

/// Whether the partition can be read from an offset on, until there is a message at or behind `next`, or none at all yet.
///
/// # Errors
/// `UNAVAILABLE` when the broker does not answer in time.
pub(super) fn is_readable(
    settings: &Settings,
    partition: &Partition,
    from: i64,
    next: i64,
) -> Result<bool> {
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
            Some(Ok(_) | Err(KafkaError::PartitionEOF(_))) => return Ok(true),
            Some(Err(error)) if is_unreadable(&error) => return Ok(false),
            Some(Err(error)) => return Err(unavailable(error)),
            None => {
                let late = "nothing was read in time";
                return Err(Error::unavailable("Kafka does not answer", late));
            }
        }
    }
}
