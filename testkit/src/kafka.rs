//! Topics of one test in a real broker, and a broker of a test's own that can be killed.

use crate::{address, server::Server, unique};

/// A place for topics and groups of one test in a broker.
#[derive(Clone)]
pub struct Kafka {
    brokers: String,
    prefix: String,
}

impl Kafka {
    fn at(brokers: String) -> Self {
        let prefix = unique("test");
        Self { brokers, prefix }
    }

    /// Where it is, as `KAFKA_BROKERS` has it.
    pub fn brokers(&self) -> &str {
        &self.brokers
    }

    /// The name of a topic or a group that no other test has.
    pub fn name(&self, name: &str) -> String {
        format!("{}.{name}", self.prefix)
    }
}

/// A place in the tests' broker.
///
/// # Panics
/// When `./dev test` did not start it.
pub fn kafka() -> Kafka {
    Kafka::at(address("SIMCUBE_TEST_KAFKA"))
}

/// A broker of a test's own. It is killed with this value.
pub struct KafkaServer(Server);

impl KafkaServer {
    /// A broker that does not run yet; where it will be is known.
    pub fn stopped() -> Self {
        Self(Server::new("kafka"))
    }

    /// A place in it.
    pub fn place(&self) -> Kafka {
        Kafka::at(self.0.address())
    }

    /// Starts it, with all that it had.
    ///
    /// # Panics
    /// When it is missing (`engines/kafka/fetch` fetches it) or does not start.
    pub async fn start(&mut self) {
        self.0.start().await;
    }

    /// Ends it without a chance to do anything.
    ///
    /// # Panics
    /// When it does not run.
    pub fn kill(&mut self) {
        self.0.kill();
    }
}
