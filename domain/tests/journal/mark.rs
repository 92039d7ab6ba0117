//! The mark of a stop in order.

use domain::journal::{self, Mark, Running};
use uuid::Uuid;

use crate::house::{House, batch, part};

#[tokio::test]
async fn the_last_server_to_stop_is_told_so() {
    let house = House::new().await;
    let first = Running::start(&house.db).await.expect("running");
    let second = Running::start(&house.db).await.expect("running");
    assert!(first.stop(&house.db).await.expect("stopped").is_none());
    assert!(second.stop(&house.db).await.expect("stopped").is_some());
}

#[tokio::test]
async fn a_mark_is_announced_and_then_confirmed() {
    let house = House::new().await;
    let cx = house.system().await;
    let mark = |count| Uuid::from_u64_pair(count, 7);
    let is = async |clean, confirmed: Option<u64>, announced: Option<u64>| {
        let expected = Mark {
            clean,
            mark: confirmed.map(mark),
            announced: announced.map(mark),
        };
        assert_eq!(journal::mark(&cx).await.expect("a mark"), expected);
    };
    let announce = async |theirs: Option<u64>, next| {
        let announced = journal::announce_mark(&cx, theirs.map(mark), mark(next)).await;
        announced.expect("announced");
    };
    is(true, None, None).await;
    announce(None, 1).await;
    is(false, None, Some(1)).await;
    let confirmed = journal::confirm_mark(&cx, mark(1), true).await;
    confirmed.expect("confirmed");
    is(true, Some(1), None).await;
    // One that never got there, then one that did and was not confirmed.
    announce(Some(1), 2).await;
    is(false, Some(1), Some(2)).await;
    announce(Some(1), 3).await;
    is(false, Some(1), Some(3)).await;
    announce(Some(3), 4).await;
    is(false, Some(3), Some(4)).await;
    // A server that was late confirms nothing.
    let late = journal::confirm_mark(&cx, mark(3), true).await;
    late.expect("asked");
    is(false, Some(3), Some(4)).await;
}

#[tokio::test]
async fn whatever_is_journaled_takes_the_word_of_a_stop_in_order_back() {
    let house = House::new().await;
    let cx = house.system().await;
    let mark = Uuid::from_u64_pair(1, 7);
    let announced = journal::announce_mark(&cx, None, mark).await;
    announced.expect("announced");
    let confirmed = journal::confirm_mark(&cx, mark, true).await;
    confirmed.expect("confirmed");
    cx.commit().await.expect("committed");
    house.journal(batch(1), &[part(house.alpha, 1, &[1])]).await;
    let cx = house.system().await;
    let found = journal::mark(&cx).await.expect("a mark");
    assert_eq!((found.clean, found.mark), (false, Some(mark)));
}
