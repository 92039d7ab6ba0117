//! Topics of Kafka: one more sender of the deliveries that HTTP makes.
//!
//! What is read goes through the same pipeline ([`crate::pipeline`]), as one delivery for each run of messages of a partition, and
//! the ledger's position moves with it ([`domain::topic`]). So a message counts once, whoever reads it and how often, and the
//! offsets that the broker keeps for the group decide nothing: they are there so that its tools show the lag.
//!
//! - [`Consumer`] reads the partitions that its group assigns to it, from where the ledger is.
//! - [`manage`] makes topics and looks at them.
//! - [`dead`] sends dead letters of what is quarantined.
//! - [`replay`] reads again, from a topic or from quarantine, and moves no position.
//!
//! Nothing else of the program knows rdkafka.
//!
//! **Memory.** Of each partition of a consumer there are at most three runs, one that waits and two under way, and of each partition
//! that is read again two. A run has at most [`Settings::records`] messages, and [`Settings::bytes`] bytes beside its last message. The client holds
//! 32 MiB that were not taken yet, and beside them the batch that it unpacks: a broker bounds what that is packed (`max.message.bytes`, 1 MiB unless
//! set, of which gzip makes a thousand times as much), and of zstd the client takes 100 MB.

mod client;
mod consumer;
pub mod dead;
mod lane;
pub mod manage;
mod probe;
pub mod replay;

use std::time::Duration;

use domain::journal::Kind;

pub use consumer::{Consumer, LaneState, Seen};

/// Behind the name of a topic: where what is quarantined of it goes.
const DEAD: &str = ".dead";

/// Where topics are, what they are called, and how they are read.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `HOST:PORT`, several with commas between them.
    pub brokers: String,
    /// The group that shares the partitions.
    pub group: String,
    /// The topic of CDRs.
    pub cdrs: String,
    /// The topic of session rollups.
    pub sessions: String,
    /// How long a member of the group may be silent before others have its partitions.
    pub session_timeout: Duration,
    /// Most messages of one passage.
    pub records: usize,
    /// Most bytes of one passage, beside its last message.
    pub bytes: usize,
    /// How long a message waits for others.
    pub linger: Duration,
    /// Rollups that are held at once when sessions of a lost month are made again.
    pub restored: u64,
}

impl Settings {
    /// Everything but where and who as it is by default.
    pub fn new(brokers: impl Into<String>, group: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            group: group.into(),
            cdrs: "cdr.records".to_owned(),
            sessions: "session.rollups".to_owned(),
            session_timeout: Duration::from_secs(45),
            records: 10_000,
            bytes: 8 << 20,
            linger: Duration::from_secs(1),
            restored: 500_000,
        }
    }

    /// The topics that are read, each with what its messages are.
    pub fn topics(&self) -> [(&str, Kind); 2] {
        [(&self.sessions, Kind::Session), (&self.cdrs, Kind::Cdr)]
    }

    /// What the messages of a topic are read as: CDRs, unless it is the topic of session rollups.
    pub fn kind_of(&self, topic: &str) -> Kind {
        if topic == self.sessions {
            Kind::Session
        } else {
            Kind::Cdr
        }
    }

    /// The topic of the dead letters of a topic.
    pub fn dead_of(topic: &str) -> String {
        format!("{topic}{DEAD}")
    }
}
