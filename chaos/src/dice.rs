//! Chance: every decision of a run is drawn from its seed.

use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

/// A source of decisions.
pub(crate) type Dice = ChaCha8Rng;

/// Who decides. Streams of one seed are independent, so that what one draws does not depend on how far another came.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Stream {
    /// Fleets and records.
    World,
    /// Faults of a server, by its number.
    Server(u64),
    /// Faults of the engines and their disk.
    Engines,
    /// Faults of the broker.
    Broker,
    /// Fleets that the program simulates.
    Simulations,
    /// The last delivery of everything.
    Last,
    /// A client, by its number.
    Client(u64),
}

/// The decisions of one stream of a seed.
pub(crate) fn dice(seed: u64, stream: Stream) -> Dice {
    let mut dice = ChaCha8Rng::seed_from_u64(seed);
    dice.set_stream(match stream {
        Stream::World => 0,
        Stream::Engines => 1,
        Stream::Last => 2,
        Stream::Broker => 3,
        Stream::Simulations => 4,
        Stream::Server(number) => 0x100 + number,
        Stream::Client(number) => 0x200 + number,
    });
    dice
}

#[cfg(test)]
mod tests {
    use rand::RngExt as _;

    use super::*;

    #[test]
    fn a_seed_repeats_and_its_streams_differ() {
        let draw = |seed, stream| dice(seed, stream).random::<u64>();
        assert_eq!(draw(7, Stream::World), draw(7, Stream::World));
        assert_ne!(draw(7, Stream::World), draw(8, Stream::World));
        assert_ne!(draw(7, Stream::Server(0)), draw(7, Stream::Server(1)));
    }
}
